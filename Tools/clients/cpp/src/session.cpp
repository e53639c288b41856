#include "session.hpp"

#include "tinsmith/v1/sessions.pb.h"

namespace tinsmith {

std::shared_ptr<Session> Session::open(const std::string& endpoint, const std::string& api_key,
                                       std::uint32_t timeout_ms, ChannelOptions options) {
  const std::shared_ptr<Session> session(new Session(endpoint, timeout_ms, options));
  v1::CreateSessionRequest request;
  request.set_api_key(api_key);
  request.set_sdk_version("tinsmith-cpp/0.1");
  const auto created =
      session->call<v1::CreateSessionResponse>(v1::METHOD_SESSIONS_CREATE, "", std::move(request))
          .get();
  session->id_ = created.session_id();
  session->channel_.set_session(created.token(), std::chrono::seconds(created.heartbeat_seconds()));
  return session;
}

Session::~Session() {
  if (id_.empty()) return;
  v1::FinishSessionRequest request;
  request.set_reason(v1::FINISH_REASON_SUCCESS);
  const auto finished =
      call<v1::FinishSessionResponse>(v1::METHOD_SESSIONS_FINISH, id_, std::move(request));
  finished.wait_for(std::chrono::seconds(1));
}

}  // namespace tinsmith
