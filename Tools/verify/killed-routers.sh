#!/usr/bin/env bash
# The router killed 50 times in a minute under load: every request is answered without an error, and
# the workers have trained exactly the passes that were answered, so none was lost and none ran twice.
#
#   Tools/verify/killed-routers.sh             builds the programs it needs first
#   BIN=DIR Tools/verify/killed-routers.sh     with the programs in a folder
#   KILLS=5 SECONDS_LONG=10 Tools/verify/killed-routers.sh    shorter
set -euo pipefail
cd "$(dirname "$0")/../.."
kills="${KILLS:-50}"
seconds="${SECONDS_LONG:-60}"
bin="${BIN:-}"
if [ -z "$bin" ]; then
  Tools/swift.sh build --product tinsmith
  Tools/swift.sh build --product tinsmith-load
  bin="$(Tools/swift.sh build --show-bin-path)"
fi

source Tools/service.sh
start_service killed-routers "$bin/tinsmith" --workers 2 --threads 1
router_of() { pgrep -P "$service" -f '^[^ ]+ router ' || true; }
workers_of() { pgrep -P "$service" -f '^[^ ]+ worker ' | sort | tr '\n' ' '; }

load() { # SECONDS REPORT
  "$bin/tinsmith-load" --endpoint "$endpoint" --clients 6 --outstanding 2 --duration "$1s" \
    --warmup 0s --drain 120s --rank 8 --mix 'forward_backward=4 tokens=24' --mix optim_step=1 \
    --mix 'sample=1 prompt=16 new=8' --json "$2" --assert 'errors==0'
}

# Tokens that the workers say they have trained, once that stands still.
trained() {
  local last=none now=
  for _ in $(seq 60); do
    now=$("$bin/tinsmith" top --endpoint "$endpoint" --once --json | python3 -c '
import json, sys
values = json.load(sys.stdin)["values"]
print(int(sum(v for k, v in values.items() if k.endswith(".training_tokens_total"))))')
    [ "$now" != "$last" ] || { echo "$now"; return; }
    last=$now
    sleep 2
  done
  echo "the counters never stood still" >&2
  exit 1
}

passes() { # REPORT
  python3 -c '
import json, sys
series = json.load(open(sys.argv[1]))["series"]
print(sum(s["ok"] for s in series if s["primitive"] == "forward_backward"))' "$1"
}

echo "== undisturbed, to see what a pass counts"
load 3 "$work/calm.json"
before=$(trained)
calm=$(passes "$work/calm.json")
workers=$(workers_of)

echo "== $kills kills in $seconds s"
load "$seconds" "$work/report.json" &
loader=$!
killed=0
last=
begun=$EPOCHREALTIME
while [ "$killed" -lt "$kills" ]; do
  # At its place in the time of the load, however long the one before took to be replaced.
  sleep "$(python3 -c "import time
print(max(0, $begun + $seconds * ($killed + 1) / ($kills + 1) - time.time()))")"
  kill -0 "$loader" 2>/dev/null || break
  router=$(router_of)
  # The one before may not be replaced yet.
  while [ -z "$router" ] || [ "$router" = "$last" ]; do sleep 0.02; router=$(router_of); done
  kill -KILL "$router"
  last=$router
  killed=$((killed + 1))
done
wait "$loader"
echo "killed $killed times"

after=$(trained)
disturbed=$(passes "$work/report.json")
echo "undisturbed: $calm passes, $before tokens trained; with kills: $disturbed passes," \
  "$((after - before)) tokens trained"
[ "$killed" -eq "$kills" ] || { echo "FAIL: the load ended before the kills"; exit 1; }
[ "$workers" = "$(workers_of)" ] || { echo "FAIL: a worker was replaced"; exit 1; }
[ $(((after - before) * calm)) -eq $((before * disturbed)) ] \
  || { echo "FAIL: not as many tokens per pass"; exit 1; }
echo "PASS"
