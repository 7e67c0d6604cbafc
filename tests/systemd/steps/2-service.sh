# What the service manager is told, and what it does.

starts() {
    local _
    for _ in 1 2 3; do
        on systemctl stop punctual
        # One command: nothing waits in between.
        on sh -ec 'systemctl start punctual
            curl --silent --fail --unix-socket /run/punctual/punctual.sock http://localhost/readyz
            curl --silent --fail http://127.0.0.1:7878/readyz'
    done
}
step "start returns when the daemon is ready, not before" starts

refuses() {
    echo 'cron = "61 * * * *"' | put /etc/punctual/conf.d/broken.toml 0640 root:punctual
    on systemctl stop punctual
    refused on systemctl start punctual
    unit_is Result exit-code
    unit_is ExecMainStatus 2
    unit_is ActiveState failed
    unit_is NRestarts 0
    has "the journal" "$(journal)" '/etc/punctual/conf.d/broken.toml:1:'
    on rm /etc/punctual/conf.d/broken.toml
    on systemctl start punctual
}
step "a start with a wrong config fails, says where, and is not tried again" refuses

tells() {
    jobs_of told <<'TOML'
[jobs.yearly]
cron = "0 3 1 1 *"
command = ["true"]
[jobs.hourly]
cron = "@hourly"
command = ["true"]
TOML
    told() { has "the status" "$(on systemctl status punctual)" 'Status: "2 jobs, next hourly at 20..-..-..T..:00:00Z"'; }
    within 10 told
}
step "systemctl status tells how many jobs there are and what comes next" tells

reloads() {
    local pid
    pid=$(unit MainPID)
    printf '[jobs.added]\ncron = "@daily"\ncommand = ["true"]\n' |
        put /etc/punctual/conf.d/added.toml 0640 root:punctual
    on systemctl reload punctual
    has_it() { punctual job added; }
    within 10 has_it
    within 10 unit_is ActiveState active
    told() { has "the status" "$(unit StatusText)" '^3 jobs, next '; }
    within 10 told
    is "the main process" "$(unit MainPID)" "$pid"
}
step "a reload takes new jobs up" reloads

reloads_nothing() {
    local pid
    pid=$(unit MainPID)
    printf '[jobs.added]\ncron = "61 * * * *"\ncommand = ["true"]\n' |
        put /etc/punctual/conf.d/added.toml 0640 root:punctual
    on systemctl reload punctual
    complained() { has "the journal" "$(journal)" '/etc/punctual/conf.d/added.toml:2:'; }
    within 10 complained
    within 10 unit_is ActiveState active
    is "the main process" "$(unit MainPID)" "$pid"
    has "the job" "$(punctual job added)" 'every day'
    on rm /etc/punctual/conf.d/added.toml
    punctual reload
}
step "a reload of a wrong config says where, and changes nothing" reloads_nothing

restarted() { [ "$(unit NRestarts)" -gt "$1" ] && unit_is ActiveState active && answers /readyz; }

stuck_scheduler() {
    local before thread seen
    settings watchdog <<<$'[Service]\nWatchdogSec=4s'
    on systemctl restart punctual
    before=$(unit NRestarts)
    # One thread alone is stopped, so the rest of the process lives on.
    thread=$(pgrep --ns "$(tests/systemd/machine pid "$folder")" --nslist pid -x punctual)
    thread=$(grep -lx scheduler "/proc/$thread/task/"*/comm | head -1 | cut -d/ -f5)
    python3 tests/systemd/hold_thread.py "$thread" &
    seen() { [ "$(on curl --silent --output /dev/null --write-out '%{http_code}' http://127.0.0.1:7878/readyz)" = 503 ]; }
    within 15 seen
    on curl --silent --fail http://127.0.0.1:7878/healthz
    within 30 restarted "$before"
    # It is let go by the end of the process.
    wait $!
    has "the journal" "$(journal)" 'Watchdog timeout'
}
step "a scheduler that is stuck is not ready, and the watchdog restarts the daemon" stuck_scheduler

stopped_process() {
    local before
    before=$(unit NRestarts)
    on systemctl kill --signal=SIGSTOP --kill-whom=main punctual
    within 30 restarted "$before"
    has "the journal" "$(journal)" 'Watchdog timeout'
    no_settings
    on systemctl restart punctual
}
step "a process that is stopped is restarted as well" stopped_process

stops() {
    local polite stubborn began took
    jobs_of stopping <<'TOML'
[jobs.polite]
every = "1000d"
shell = 'trap "echo going; exit 3" TERM; touch /srv/test/polite; while :; do sleep 0.1; done'
[jobs.stubborn]
every = "1000d"
kill_timeout = "2s"
shell = 'trap "" TERM; touch /srv/test/stubborn; while :; do sleep 0.1; done'
TOML
    polite=$(trigger polite)
    stubborn=$(trigger stubborn)
    within 10 on test -e /srv/test/polite -a -e /srv/test/stubborn
    began=$SECONDS
    on systemctl stop punctual
    took=$((SECONDS - began))
    # 2 s of grace and 2 s for the one that does not listen.
    [ "$took" -ge 3 ] && [ "$took" -le 20 ] || fail "the stop took $took s"
    unit_is Result success
    unit_is ActiveState inactive
    is "what runs as punctual" "$(on pgrep -u punctual || true)" ""
    on systemctl start punctual
    for run in "$polite" "$stubborn"; do
        is "what became of it" "$(punctual run "$run" --json | jq -r '"\(.status) \(.reason)"')" \
            "cancelled shutdown"
    done
    punctual audit
}
step "a stop ends what runs, also what does not listen, and accounts for it" stops
