#!/bin/sh
# Three coordinators and four workers on this machine; the leader is killed with
# SIGKILL while a job runs. Ends with one JSON object on stdout: the version, its
# digest beside that of the same job in a single process, and how long it took until
# another coordinator had given out work and taken its result.
#
#   deploy/demo-cluster.sh bin/rescore .demo/cluster 1000000
#
# Everything is below the folder: data, token, ledgers, logs.
set -eu

rescore=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
dir=$2
subscribers=$3

rm -rf "$dir"
mkdir -p "$dir"
cd "$dir"
dir=$(pwd)

say() { echo "demo-cluster: $*" >&2; }
fail() {
	say "$*; the logs are in $dir"
	exit 1
}

# stop ends every process of the demo, however the demo ends.
stop() {
	code=$?
	trap - EXIT INT TERM HUP
	for file in w*.pid c*.pid; do
		[ ! -f "$file" ] || kill -TERM "$(cat "$file")" 2>/dev/null || : # gone already
	done
	sleep 1
	for file in w*.pid c*.pid; do
		[ ! -f "$file" ] || kill -KILL "$(cat "$file")" 2>/dev/null || :
	done
	wait
	exit "$code"
}
trap stop EXIT
trap 'exit 130' INT TERM HUP

# now is a time in milliseconds, of whole seconds where date knows no parts of them.
now() {
	case $(date +%N) in
	*N*) echo "$(date +%s)000" ;;
	*) date +%s%3N ;;
	esac
}

# number reads a number, word a text, from the first such key of JSON on stdin.
number() { sed -n "s/^[^\"]*\"$1\":\([0-9]*\).*/\1/p;t
s/.*[{,]\"$1\":\([0-9][0-9]*\).*/\1/p" | head -n 1; }
word() { sed -n "s/.*[{,]\"$1\":\"\([^\"]*\)\".*/\1/p" | head -n 1; }

say "synthesise $subscribers subscribers"
"$rescore" synth --out province --subscribers "$subscribers" --seed 1 >synth.log 2>&1 || fail "synth failed"

# About a hundred partitions, so that the job is still running when the leader is dead.
rows=$((subscribers / 100))
[ "$rows" -ge 100 ] || rows=100

say "run the job in a single process"
"$rescore" run province/job.yaml --set run.partition_rows=$rows --set output.path=alone --output json >alone.json 2>alone.log || fail "the run in a single process failed"
alone=$(word digest <alone.json)
[ -n "$alone" ] || fail "the run in a single process says no digest"

(umask 077 && head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >token)
export RESCORE_TOKEN_FILE="$dir/token"

# Ports that are free now may be taken a moment later: the coordinators say so, and
# others are tried.
begin() {
	port=$((20000 + ($$ + $1 * 97) % 900 * 12))
	peers=c1=127.0.0.1:$port,c2=127.0.0.1:$((port + 4)),c3=127.0.0.1:$((port + 8))
	export RESCORE_COORDINATORS="127.0.0.1:$port,127.0.0.1:$((port + 4)),127.0.0.1:$((port + 8))"
	for c in c1 c2 c3; do
		rm -rf $c
		"$rescore" coordinator --id $c --dir $c --peers $peers >$c.out 2>$c.log &
		echo $! >$c.pid
	done
	for c in c1 c2 c3; do
		until grep -q 'is ready' $c.out; do
			kill -0 "$(cat $c.pid)" 2>/dev/null || return 1
			sleep 0.1
		done
	done
}

try=0
until begin $try; do
	for c in c1 c2 c3; do
		kill -KILL "$(cat $c.pid)" 2>/dev/null || true
	done
	wait
	try=$((try + 1))
	[ $try -lt 10 ] || fail "the coordinators do not start"
done
for w in w1 w2 w3 w4; do
	"$rescore" worker --id $w --slots 1 >$w.out 2>$w.log &
	echo $! >$w.pid
done
say "three coordinators and four workers run; logs are in $dir"

began=$(now)
"$rescore" submit province/job.yaml --set run.partition_rows=$rows --set output.path=together --output json >submit.json 2>submit.log || fail "submit failed"
job=$(word job <submit.json)
[ -n "$job" ] || fail "submit says no job"

# The leader dies in the middle of the score stage.
done=0
while :; do
	"$rescore" status "$job" --output json >status.json 2>status.log || fail "status failed"
	state=$(word state <status.json)
	case $state in submitted | running) ;; *) fail "the job was $state before the leader could be killed; give it more SUBSCRIBERS" ;; esac
	done=$(sed -n 's/.*"stage":"score","planned":true,"tasks":\([0-9]*\),"waiting":[0-9]*,"leased":[0-9]*,"done":\([0-9]*\).*/\2 \1/p' status.json)
	tasks=${done#* } done=${done% *}
	[ "${done:-0}" -ge 1 ] && break
done
[ "$done" -lt "$tasks" ] || fail "the score stage was over before the leader could be killed; give it more SUBSCRIBERS"
"$rescore" members --output json >members.json 2>members.log || fail "members failed"
leader=$(sed -n 's/.*"id":"\([^"]*\)","address":"[^"]*","voter":true,"leader":true.*/\1/p' members.json)
[ -n "$leader" ] || fail "nobody says that he leads"
killed=$(now)
kill -KILL "$(cat "$leader.pid")"
say "$leader led and is killed, with $done of $tasks partitions scored"

again=$done
while [ "$again" -le "$done" ]; do # status waits until somebody leads
	"$rescore" status "$job" --output json >status.json 2>status.log || fail "nobody answers"
	again=$(sed -n 's/.*"stage":"score","planned":true,"tasks":[0-9]*,"waiting":[0-9]*,"leased":[0-9]*,"done":\([0-9]*\).*/\1/p' status.json)
done
failover=$(($(now) - killed))

"$rescore" watch "$job" --quiet --output json >watch.json 2>watch.log || fail "the job was not published"
took=$(($(now) - began))
"$rescore" versions --path province/together --output json >versions.json 2>versions.log || fail "no version is to be seen"
version=$(word version <versions.json)
together=$(word digest <versions.json)
"$rescore" members --output json >members.json 2>members.log || fail "members failed"
next=$(sed -n 's/.*"id":"\([^"]*\)","address":"[^"]*","voter":true,"leader":true.*/\1/p' members.json)

same=false
[ "$alone" = "$together" ] && same=true
say "$next published $version"
milli() { echo "$1" | sed 's/^/000/;s/\(...\)$/.\1/;s/^0*\([0-9]\)/\1/;s/^\./0./'; }
printf '{"job":"%s","version":"%s","digest":"%s","same_digest":%s,"failover_seconds":%s,"seconds":%s,"killed":"%s","leader":"%s","subscribers":%s,"partitions":%s}\n' \
	"$job" "$version" "$together" $same "$(milli $failover)" "$(milli $took)" "$leader" "$next" "$subscribers" "$tasks"
[ $same = true ] || fail "the digest is not the single process's, $alone"
