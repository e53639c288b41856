# Sourced by scripts that need a service of their own: makes the folder $work, and removes it and
# ends the service when the script ends.
#   start_service NAME PROGRAM [FLAG...]   serves with an empty data folder; sets endpoint, or ends
#                                          the script with a word of NAME
work=$(mktemp -d)
service=
end_service() {
  [ -z "$service" ] || { kill "$service" 2>/dev/null && wait "$service" 2>/dev/null || true; }
  rm -rf "$work"
}
trap end_service EXIT

start_service() {
  local name=$1 program=$2
  shift 2
  "$program" serve --listen 'tcp://127.0.0.1:*' "$@" --data "$work/data" --log error \
    >"$work/ready" &
  service=$!
  for _ in $(seq 600); do
    [ ! -s "$work/ready" ] || break
    kill -0 "$service" || { echo "$name: the service has ended" >&2; exit 1; }
    sleep 0.1
  done
  endpoint=$(sed -n 's/^ready //p' "$work/ready")
  [ -n "$endpoint" ] || { echo "$name: the service is not ready after a minute" >&2; exit 1; }
}
