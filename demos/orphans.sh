#!/usr/bin/env bash
# Ten thousand orphans. A node that runs all jobs is killed with kill -9 while two others stand by; a histogram shows after
# how long each job began elsewhere and saved its first checkpoint there. All of them succeed, each once.
# LONGHAUL_DEMO_JOBS says how many there are.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$(dirname "${BASH_SOURCE[0]}")/nodes.sh"
need jq jq
need curl curl
need python3 python3
jobs=${LONGHAUL_DEMO_JOBS:-10000}
# Each saves a checkpoint every half second; where there are many, all together 2,000 a second.
step_ms=$((jobs / 2 > 500 ? jobs / 2 : 500))
duration_ms=$((25000 + 6 * jobs))
journal=$scratch/journal

start_database
start_node a --simulator --simulator-journal "$journal"
password=$(printf demo | sha512sum | cut -d' ' -f1)
session=$(curl -sf -X PUT "$LONGHAUL_URL/v1/accounts/login" \
    -d "{\"logInByAccount\":{\"accountName\":\"admin\",\"password\":\"$password\"}}" | jq -r .inventory.uuid)
count() { curl -sf -G -H "Authorization: OAuth $session" "$LONGHAUL_URL/v1/longjobs" -d count=true --data-urlencode "q=$1" | jq .total; }
data="{\\\"durationMs\\\":$duration_ms,\\\"progressSteps\\\":$((duration_ms / step_ms))}"
for ((left = jobs; left > 0; left -= 1000)); do
    jq -cn --argjson many $((left < 1000 ? left : 1000)) --argjson job "{\"name\":\"orphan\",\"jobName\":\"APISimulateJobMsg\",\"jobData\":\"$data\"}" \
        '{params: {jobs: [range($many) | $job]}}' |
        curl -sf -X POST -H "Authorization: OAuth $session" "$LONGHAUL_URL/v1/longjobs/bulk" -d @- -o "$scratch/answer"
done
until (($(grep -c ' start$' "$journal" || true) == jobs)); do sleep 0.1; done
say "$jobs jobs run on node a; nodes b and c join"
start_node b --simulator --simulator-journal "$journal"
start_node c --simulator --simulator-journal "$journal"
(($(count state=Running) == jobs)) || untrue "not all jobs run any more"

say "kill -9 of node a"
python3 "$root/demos/orphans.py" "$journal" "${node_pid[a]}" "$jobs" || untrue "not every job went on elsewhere"
until (($(count 'state?=Waiting,Running,Suspended') == 0)); do sleep 0.5; done
succeeded=$(count state=Succeeded)
twice=$(grep ' end$' "$journal" | cut -d' ' -f1 | sort | uniq -d | wc -l)
say "$succeeded of $jobs jobs succeeded; $twice came to their end twice"
((succeeded == jobs)) || untrue "$((jobs - succeeded)) did not succeed"
((twice == 0)) || untrue "$twice bodies came to their end twice"
