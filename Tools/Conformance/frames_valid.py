"""Messages that both sides must read: all fields set, defaults, edge values."""

import struct

from google.protobuf import json_format
from tinsmith.v1 import admin_pb2 as admin
from tinsmith.v1 import checkpoints_pb2 as checkpoints
from tinsmith.v1 import envelope_pb2 as envelope
from tinsmith.v1 import futures_pb2 as futures
from tinsmith.v1 import sampling_pb2 as sampling
from tinsmith.v1 import sessions_pb2 as sessions
from tinsmith.v1 import tensor_pb2 as wire
from tinsmith.v1 import training_pb2 as training

MODEL = "sab:train:0"
PATH = f"tinsmith://{MODEL}/weights/alpha"
SAMPLER_PATH = f"tinsmith://{MODEL}/sampler_weights/snap"
LARGEST_64, LARGEST_32 = 2**64 - 1, 2**32 - 1


def floats(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def int32s(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}i", *values)


def int64s(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}q", *values)


def bfloat16s(*values: float) -> bytes:
    """For values that bfloat16 holds exactly."""
    return b"".join(struct.pack("<f", value)[2:] for value in values)


def tensor(dtype: str, shape: list[int], raw: bytes) -> wire.Tensor:
    return wire.Tensor(dtype=f"DTYPE_{dtype.upper()}", shape=shape, raw=raw)


def text_input(*tokens: int) -> wire.ModelInput:
    return wire.ModelInput(chunks=[{"encoded_text": {"raw": int32s(*tokens)}}])


def pairs(**values: str) -> list[wire.TextPair]:
    return [wire.TextPair(key=key, value=value) for key, value in values.items()]


def datum(**inputs: wire.Tensor) -> training.Datum:
    named = [wire.NamedTensor(name=name, tensor=value) for name, value in inputs.items()]
    return training.Datum(model_input=text_input(5, 6), loss_fn_inputs=named)


def training_pass(**inputs: wire.Tensor) -> training.ForwardBackwardRequest:
    return training.ForwardBackwardRequest(data=[datum(**inputs)], loss_fn="cross_entropy")


def case(name, message, attachments=(), body=None, full=False):
    """One case. `body` are other bytes of the same value, which no encoder would write."""
    canonical = message.SerializeToString(deterministic=True)
    if body is not None and type(message).FromString(body) != message:
        raise SystemExit(f"{name}: the bytes are not those of the value")
    value = json_format.MessageToDict(message, preserving_proto_field_name=True)
    known = json_format.ParseDict(value, type(message)()).SerializeToString(deterministic=True)
    # Unknown fields come last, and JSON has none.
    if not canonical.startswith(known):
        raise SystemExit(f"{name}: JSON does not hold the value")
    frames = [canonical if body is None else body, *attachments]
    return {
        "name": name, "message": message.DESCRIPTOR.name, "frames": [f.hex() for f in frames],
        "json": value, "canonical": body is None, "full": full,
    }


def headers() -> list[dict]:
    request = envelope.RequestHeader(
        protocol_version=1, method="METHOD_TRAINING_FORWARD_BACKWARD", stream=MODEL, seq=41,
        acked=40, client_name="golden/1", client_incarnation=0x0102030405060708,
        session_token="sab.default.00ff", timeout_ms=30000, trace_id=0xFFEEDDCCBBAA9988,
        cost_prompt_tokens=128, cost_new_tokens=64, flags=3)
    largest = envelope.RequestHeader(
        protocol_version=1, method="METHOD_ADMIN_PING", stream="ü" * 128, seq=LARGEST_64,
        acked=LARGEST_64, timeout_ms=LARGEST_32, trace_id=LARGEST_64, client_incarnation=LARGEST_64,
        cost_prompt_tokens=LARGEST_64, cost_new_tokens=LARGEST_64)
    small = envelope.RequestHeader(protocol_version=1, method="METHOD_SESSIONS_CREATE")
    done = envelope.ResponseHeader(
        stream=MODEL, seq=41, epoch=2, event="EVENT_FINAL", queue_position=3, queue_us=1500,
        compute_us=250000, cache_hit_tokens=96, window_requests=256, window_bytes=1 << 28,
        cost_prompt_tokens=128, cost_new_tokens=64, trace_id=0xFFEEDDCCBBAA9988)
    refused = envelope.ResponseHeader(
        stream=MODEL, seq=42, code="STATUS_CODE_INVALID_ARGUMENT", message="größer als erlaubt",
        field="data[3].loss_fn_inputs[weights].shape", event="EVENT_FINAL")
    later = envelope.ResponseHeader(
        stream=MODEL, seq=43, code="STATUS_CODE_RESOURCE_EXHAUSTED", message="wait",
        retry_after_ms=20, event="EVENT_FINAL")
    piece = envelope.ResponseHeader(
        stream="sab:sample:0", seq=1, event="EVENT_PARTIAL", partial_offset=17)
    accepted = envelope.ResponseHeader(stream=MODEL, seq=44, epoch=1, event="EVENT_ACCEPTED")
    unknown = envelope.ResponseHeader.FromString(piece.SerializeToString() + b"\x9a\x06\x01x")
    return [
        case("request_header", request, full=True),
        case("request_header_smallest", small, full=True),
        case("request_header_largest", largest, full=True),
        case("request_header_empty", envelope.RequestHeader(), full=True),
        case("request_header_long_varint", small, body=bytes.fromhex("08818000" "1065")),
        case("request_header_reversed", small, body=bytes.fromhex("1065" "0801")),
        case("response_header", done, full=True),
        case("response_header_refused", refused, full=True),
        case("response_header_later", later, full=True),
        case("response_header_partial", piece, full=True),
        case("response_header_accepted", accepted, full=True),
        case("response_header_unknown_field", unknown),
    ]


def tensors() -> list[dict]:
    def attached(name: str, shape: list[int], index: int = 0) -> wire.Tensor:
        return wire.Tensor(dtype=f"DTYPE_{name.upper()}", shape=shape, attachment=index)

    values = {
        "float32": ([3], floats(0.0, -1.5, 3.4028234663852886e38)),
        "int64": ([2, 2], int64s(0, -1, 2**63 - 1, -(2**63))),
        "int32": ([1, 1, 2], int32s(2**31 - 1, -(2**31))),
        "bfloat16": ([1, 2, 1, 2], bfloat16s(0.5, -2.0, 0.0, 256.0)),
    }
    found = []
    for name, (shape, raw) in values.items():
        found.append(case(f"tensor_{name}", training_pass(w=tensor(name, shape, raw)), full=True))
        found.append(
            case(f"tensor_{name}_attached", training_pass(w=attached(name, shape)), [raw]))
    nan = floats(float("inf"), float("-inf")) + bytes.fromhex("0000c07f")
    csr = wire.SparseCsr(
        crow_indices={"raw": int64s(0, 1, 1, 3)}, col_indices={"raw": int64s(2, 0, 1)},
        values={"raw": floats(0.5, 1.0, -1.0)})
    sparse = wire.Tensor(dtype="DTYPE_FLOAT32", shape=[3, 4], sparse=csr)
    apart = wire.SparseCsr(
        crow_indices={"attachment": 1}, col_indices={"attachment": 2}, values={"attachment": 0})
    sparse_apart = wire.Tensor(dtype="DTYPE_FLOAT32", shape=[3, 4], sparse=apart)
    hollow = wire.SparseCsr(
        crow_indices={"raw": int64s(0, 0, 0)}, col_indices={"raw": b""}, values={"raw": b""})
    crossed = training_pass(a=attached("int32", [2], 1), b=attached("float32", [1], 0))
    everything = training_pass(w=attached("int32", [2], 1))
    everything.data[0].model_input.chunks[0].encoded_text.attachment = 0
    unpacked = training_pass(w=tensor("int32", [2, 1], int32s(7, 8)))
    # As long as before: only the shape is written one number at a time.
    loose = unpacked.SerializeToString(deterministic=True).replace(
        b"\x12\x02\x02\x01", b"\x10\x02\x10\x01")
    return found + [
        case("tensor_scalar", training_pass(w=tensor("float32", [], floats(2.5))), full=True),
        case("tensor_none", training_pass(w=tensor("float32", [0], b"")), full=True),
        case("tensor_none_of_many", training_pass(w=tensor("int64", [3, 0, 5], b"")), full=True),
        case("tensor_without_data", training_pass(w=wire.Tensor(dtype="DTYPE_INT32", shape=[0]))),
        case("tensor_not_finite", training_pass(w=tensor("float32", [3], nan)), full=True),
        case("tensor_shape_unpacked", unpacked, body=loose),
        case("tensor_sparse", training_pass(w=sparse), full=True),
        case("tensor_sparse_attached", training_pass(w=sparse_apart),
             [floats(0.5, 1.0, -1.0), int64s(0, 1, 1, 3), int64s(2, 0, 1)]),
        case("tensor_sparse_empty",
             training_pass(w=wire.Tensor(dtype="DTYPE_INT64", shape=[2, 4], sparse=hollow))),
        case("attachments_crossed", crossed, [floats(1.0), int32s(1, 2)]),
        case("attachments_only", everything, [int32s(5, 6), int32s(7, 8)], full=True),
    ]


def sessions_and_admin() -> list[dict]:
    base = admin.BaseModel(
        name="tinsmith/mini", max_context_length=4096, tokenizer="mini",
        architecture="Qwen3ForCausalLM", parameters=5767424, precision="f32", numerics_version="1",
        vocabulary_size=4096, trainable=True, sampleable=True)
    number = wire.NamedNumber
    session = sessions.SessionInfo(
        session_id="sab", created_unix_ms=1700000000000, display_name="Übung", tags=["a", "b"],
        user_metadata=pairs(k=""), project_id="p", model_ids=["sab:train:0"],
        sampling_session_ids=["sab:sample:0", "sab:sample:1"])
    run = sessions.RunInfo(
        model_id=MODEL, base_model="tinsmith/mini", rank=8, alpha=32.0, train_attn=True,
        train_mlp=True, train_unembed=True, user_metadata=pairs(k="v"),
        created_unix_ms=1700000000000, changed_unix_ms=1700003600000,
        last_checkpoint=checkpoints.Checkpoint(
            path=PATH, kind="CHECKPOINT_KIND_TRAINING", model_id=MODEL, name="alpha"))
    return [
        case("sessions_create", sessions.CreateSessionRequest(
            api_key="key", display_name="Übung", tags=["a", "", "b"],
            user_metadata=pairs(k="", note="grün ✓"), sdk_version="golden/1", project_id="p"),
            full=True),
        case("sessions_create_empty", sessions.CreateSessionRequest(), full=True),
        case("sessions_created", sessions.CreateSessionResponse(
            session_id="sab", token="sab.default.00ff", lease_seconds=600, heartbeat_seconds=10,
            info_message="i", warning_message="w"), full=True),
        case("heartbeat", sessions.HeartbeatRequest(), full=True),
        case("heartbeat_answer", sessions.HeartbeatResponse(lease_seconds=600), full=True),
        case("finish", sessions.FinishSessionRequest(
            reason="FINISH_REASON_INTERRUPTED", detail="Ctrl-C"), full=True),
        case("finish_answer", sessions.FinishSessionResponse(), full=True),
        case("sessions_list", sessions.ListSessionsRequest(limit=10, page_token="10"), full=True),
        case("sessions_list_answer", sessions.ListSessionsResponse(
            sessions=[session, session], next_page_token="20"), full=True),
        case("session_info", sessions.SessionInfoRequest(session_id="sab"), full=True),
        case("session_info_answer", session, full=True),
        case("sampler", sessions.SamplerRequest(sampling_session_id="sab:sample:0"), full=True),
        case("sampler_answer", sessions.SamplerInfo(
            sampling_session_id="sab:sample:0", base_model="tinsmith/mini",
            model_path="tinsmith://sab:train:0/sampler_weights/@3",
            created_unix_ms=1700000000000), full=True),
        case("list_runs", sessions.ListRunsRequest(limit=10, page_token="10"), full=True),
        case("list_runs_answer", sessions.ListRunsResponse(
            runs=[run, run], next_page_token="20"), full=True),
        case("run", sessions.RunRequest(model_id=MODEL), full=True),
        case("run_answer", run, full=True),
        case("await", futures.AwaitFutureRequest(), full=True),
        case("cancel", futures.CancelFutureRequest(), full=True),
        case("capabilities", admin.CapabilitiesRequest(), full=True),
        case("capabilities_answer", admin.CapabilitiesResponse(
            service_version="0.1", protocol_versions=[1, 300], models=[base],
            loss_fns=["cross_entropy", "ppo"]), full=True),
        case("capabilities_answer_unknown_field", admin.CapabilitiesResponse.FromString(
            b"\x0a\x030.2\xa2\x06\x03new\xa8\x06\x07")),
        case("health", admin.HealthRequest(), full=True),
        case("health_answer", admin.HealthResponse(
            status="HEALTH_STATUS_DEGRADED", workers_alive=1, workers_expected=2,
            uptime_ms=LARGEST_64), full=True),
        case("stats", admin.StatsRequest(), full=True),
        case("stats_answer", admin.StatsResponse(values=[
            number(name="requests_total", value=2**53), number(name="rest", value=-0.5)])),
        case("ping", admin.PingRequest(payload={"raw": b"\x00\xff"}), full=True),
        case("ping_without", admin.PingRequest(), full=True),
        case("ping_nothing", admin.PingRequest(payload={})),
        case("ping_attached", admin.PingRequest(payload={"attachment": 0}), [b"\x01\x02"],
             full=True),
        case("pong", admin.PingResponse(payload={"raw": b"\x00\xff"}), full=True),
    ]


def training_calls() -> list[dict]:
    lora = training.LoraConfig(
        rank=8, alpha=16.5, seed=LARGEST_64, train_attn=True, train_mlp=False, train_unembed=True)
    info = training.ModelInfo(
        model_id=MODEL, base_model="tinsmith/mini", architecture="Qwen3ForCausalLM", rank=8,
        alpha=32.0, train_attn=True, train_mlp=True, train_unembed=True, tokenizer="mini",
        max_sequence_length=4096, step=20, user_metadata=pairs(k="v"))
    adam = training.AdamParams(
        learning_rate=1e-4, beta1=0.9, beta2=0.95, eps=1e-12, weight_decay=0.01, grad_clip_norm=1.0)
    nothing = training.AdamParams(learning_rate=0.0, beta1=0.0, beta2=0.0, eps=0.0)
    options = training.ForwardBackwardRequest(
        data=[training.Datum(model_input=text_input(5))], loss_fn="ppo",
        loss_fn_config=[{"name": "a", "number": -0.0}, {"name": "b", "text": "x"}])
    chunks = wire.ModelInput(
        chunks=[{"encoded_text": {"raw": int32s(1, 2)}}, {"encoded_text": {}},
                {"encoded_text": {"raw": int32s(3)}}])
    outputs = [{"outputs": [{"name": "logprobs", "tensor": tensor("float32", [2], floats(-1, -2))}]}]
    return [
        case("create_model", training.CreateModelRequest(
            base_model="tinsmith/mini", lora=lora, user_metadata=pairs(k="v")), full=True),
        case("create_model_defaults", training.CreateModelRequest(
            base_model="tinsmith/mini", lora={"rank": 1})),
        case("create_model_from", training.CreateModelRequest(
            from_path=PATH, from_optimizer=True), full=True),
        case("create_model_answer", training.CreateModelResponse(model_id=MODEL, info=info),
             full=True),
        case("get_info", training.GetInfoRequest(), full=True),
        case("model_info", info, full=True),
        case("loss_options", options, full=True),
        case("chunks", training.ForwardBackwardRequest(
            data=[training.Datum(model_input=chunks)], loss_fn="cross_entropy")),
        case("forward_backward_answer", training.ForwardBackwardResponse(
            loss_fn_outputs=outputs, metrics=[{"name": "loss:sum", "value": 12.75}]), full=True),
        case("forward_backward_answer_attached", training.ForwardBackwardResponse(
            loss_fn_outputs=[{"outputs": [{"name": "logprobs", "tensor": {
                "dtype": "DTYPE_FLOAT32", "shape": [2], "attachment": 0}}]}],
            metrics=[{"name": "loss:sum", "value": 0.0}]), [floats(-1, -2)], full=True),
        case("optim_step", training.OptimStepRequest(adam=adam), full=True),
        case("optim_step_defaults", training.OptimStepRequest()),
        case("optim_step_zeros", training.OptimStepRequest(adam=nothing), full=True),
        case("optim_step_answer", training.OptimStepResponse(
            metrics=[{"name": "unclipped_grad_l2:mean", "value": 5e-324}]), full=True),
        case("save_state", training.SaveStateRequest(
            name="a.B_c-1", ttl_seconds=3600, overwrite=True, user_metadata=pairs(k="v"),
            include_gradients=True, keep_last=3), full=True),
        case("save_state_answer", training.SaveStateResponse(path=PATH), full=True),
        case("load_state", training.LoadStateRequest(path=PATH, optimizer=True), full=True),
        case("load_state_answer", training.LoadStateResponse(), full=True),
        case("unload", training.UnloadRequest(), full=True),
        case("unload_answer", training.UnloadResponse(), full=True),
    ]


def sampling_calls() -> list[dict]:
    def table(ids: tuple, values: tuple, shape: list[int]) -> sampling.TopkLogprobs:
        return sampling.TopkLogprobs(
            token_ids=tensor("int32", shape, int32s(*ids)),
            logprobs=tensor("float32", shape, floats(*values)))

    def sequence(index: int, reason: str, **more) -> sampling.SampledSequence:
        return sampling.SampledSequence(
            index=index, stop_reason=f"STOP_REASON_{reason}",
            tokens=tensor("int32", [2], int32s(7, 8)),
            logprobs=tensor("float32", [2], floats(-0.25, -0.5)), **more)

    def params(**more) -> sampling.SamplingParams:
        return sampling.SamplingParams(
            max_tokens=12, seed=0, temperature=0.0, top_k=-1, top_p=0.5, **more)

    def request(params: sampling.SamplingParams, **more) -> sampling.SampleRequest:
        return sampling.SampleRequest(
            prompt=text_input(5, 6), num_samples=2, sampling_params=params, **more)

    loose = request(params(stop_tokens={"ids": [1, -1]}))
    packed = b"\x22\x0d\x0a\x0b\x01" + b"\xff" * 9 + b"\x01"
    one_by_one = b"\x22\x0d\x08\x01\x08" + b"\xff" * 9 + b"\x01"
    top = table((3, 4, 5, 0), (-1.0, -2.0, -3.0, -99999.0), [2, 2])
    return [
        case("save_for_sampler", sampling.SaveWeightsForSamplerRequest(
            name="snap", ttl_seconds=1, user_metadata=pairs(k="v"), overwrite=True,
            keep_last=2), full=True),
        case("save_for_sampler_unnamed", sampling.SaveWeightsForSamplerRequest(), full=True),
        case("save_for_sampler_answer", sampling.SaveWeightsForSamplerResponse(path=SAMPLER_PATH),
             full=True),
        case("sampling_session_base", sampling.CreateSamplingSessionRequest(
            base_model="tinsmith/mini"), full=True),
        case("sampling_session_path", sampling.CreateSamplingSessionRequest(
            model_path=SAMPLER_PATH), full=True),
        case("sampling_session_answer", sampling.CreateSamplingSessionResponse(
            sampling_session_id="sab:sample:0", base_model="tinsmith/mini", tokenizer="mini",
            max_context_length=4096), full=True),
        case("sample", request(
            params(stop_tokens={"ids": [4089, 0]}), prompt_logprobs=True, topk_prompt_logprobs=2,
            topk_sample_logprobs=64, prompt_logprobs_last_n=1, model_logprobs=True,
            target_prompt_logprobs=tensor("int32", [1, 2], int32s(6, -1)),
            model_path=SAMPLER_PATH),
            full=True),
        case("sample_stop_strings", request(
            params(stop_strings={"values": ["\n", "stöp"]}), base_model="tinsmith/mini"), full=True),
        case("sample_no_stop", request(params(stop_tokens={})), full=True),
        case("sample_no_stop_strings", request(params(stop_strings={})), full=True),
        case("sample_defaults", sampling.SampleRequest(prompt=text_input(5), num_samples=1)),
        case("sample_stops_unpacked", loose,
             body=loose.SerializeToString(deterministic=True).replace(packed, one_by_one)),
        case("sample_answer", sampling.SampleResponse(
            sequences=[sequence(0, "STOP", topk_logprobs=top, model_logprobs=tensor(
                "float32", [2], floats(-0.5, -1.0))), sequence(1, "LENGTH")],
            prompt_logprobs=tensor("float32", [2], bytes.fromhex("0000c07f") + floats(-0.5)),
            topk_prompt_logprobs=top, seed=LARGEST_64, target_prompt_logprobs=tensor(
                "float32", [1, 2], floats(-0.5, 0.0))), full=True),
        case("sample_piece", sampling.SampleResponse(
            sequences=[sequence(1, "UNSPECIFIED")], seed=7), full=True),
        case("compute_logprobs", sampling.ComputeLogprobsRequest(
            prompt=text_input(5, 6), model_path=SAMPLER_PATH, prompt_logprobs_last_n=1),
             full=True),
        case("compute_logprobs_base", sampling.ComputeLogprobsRequest(
            prompt=text_input(5, 6), base_model="tinsmith/mini"), full=True),
        case("compute_logprobs_answer", sampling.ComputeLogprobsResponse(
            logprobs=tensor("float32", [2], bytes.fromhex("0000c07f") + floats(-0.5))), full=True),
    ]


def checkpoint_calls() -> list[dict]:
    one = checkpoints.Checkpoint(
        path=PATH, kind="CHECKPOINT_KIND_TRAINING", model_id=MODEL, name="alpha",
        base_model="tinsmith/mini", rank=8, alpha=32.0, train_attn=True, train_mlp=True,
        train_unembed=True, step=20, size_bytes=1 << 40, created_unix_ms=1700000000000,
        expires_unix_ms=1700003600000, published=True, user_metadata=pairs(k="v"),
        model_user_metadata=pairs(m="w"))
    files = [{"name": "adapter_config.json", "content": {"raw": b"{}"}},
             {"name": "adapter_model.safetensors", "content": {"raw": b"\x00\x01"}}]
    return [
        case("list", checkpoints.ListCheckpointsRequest(
            model_id=MODEL, limit=10, page_token="10"), full=True),
        case("list_answer", checkpoints.ListCheckpointsResponse(
            checkpoints=[one, one], next_page_token="20"), full=True),
        case("list_answer_empty", checkpoints.ListCheckpointsResponse(), full=True),
        case("checkpoint_path", checkpoints.CheckpointRequest(path=PATH), full=True),
        case("checkpoint", one, full=True),
        case("delete_answer", checkpoints.DeleteCheckpointResponse(), full=True),
        case("set_ttl", checkpoints.SetCheckpointTtlRequest(path=PATH, ttl_seconds=316224000),
             full=True),
        case("set_ttl_keep", checkpoints.SetCheckpointTtlRequest(path=PATH), full=True),
        case("export_answer", checkpoints.ExportCheckpointResponse(files=files), full=True),
        case("import", checkpoints.ImportCheckpointRequest(
            name="x", kind="CHECKPOINT_KIND_SAMPLER", base_model="tinsmith/mini", files=files,
            user_metadata=pairs(k="v")), full=True),
        case("copy", checkpoints.CopyCheckpointRequest(path=PATH, name="beta", ttl_seconds=60),
             full=True),
        case("copy_keep", checkpoints.CopyCheckpointRequest(path=PATH), full=True),
        case("export_merged_answer", checkpoints.ExportMergedResponse(
            export_id="e1", files=[{"name": "model.safetensors", "size_bytes": 1 << 34,
                                    "sha256": "00" * 32}]), full=True),
        case("read_export", checkpoints.ReadExportRequest(
            export_id="e1", file="model.safetensors", offset=1 << 33, length=8 << 20), full=True),
        case("read_export_answer", checkpoints.ReadExportResponse(content={"raw": b"\x00\x01"}),
             full=True),
    ]


def valid() -> list[dict]:
    """All valid cases."""
    return (headers() + tensors() + sessions_and_admin() + training_calls() + sampling_calls()
            + checkpoint_calls())
