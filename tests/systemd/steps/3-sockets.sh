# The API's sockets in the hands of the service manager.

waits() {
    local before pid run
    jobs_of socket <<'TOML'
[jobs.long]
every = "1000d"
shell = 'touch /srv/test/long; exec sleep 600'
TOML
    follow "$(manual docs/systemd.md 'Sockets that systemd holds' sh)"
    run=$(trigger long)
    within 10 on test -e /srv/test/long
    before=$(unit NRestarts)
    pid=$(unit MainPID)
    on systemctl kill --signal=SIGKILL --kill-whom=main punctual
    # While nobody is there: one try, which waits.
    within 5 unit_is SubState auto-restart
    answers /healthz
    [ "$(unit NRestarts)" -gt "$before" ] || fail "it was not restarted"
    [ "$(unit MainPID)" != "$pid" ] || fail "it is the same process"
    is "the run of the killed daemon" "$(status_of "$run")" lost
    is "what it left" "$(on pgrep -u punctual -x sleep || true)" ""
}
step "kill -9: who connects before the restart is answered after it" waits

activates() {
    on systemctl stop punctual.service
    unit_is ActiveState inactive
    on sh -ec 'i=0
        asks() {
            curl --silent --show-error --max-time 20 --output /dev/null --write-out "%{http_code}\n" "$@"
        }
        while [ $i -lt 20 ]; do
            asks http://127.0.0.1:7878/healthz &
            asks --unix-socket /run/punctual/punctual.sock http://localhost/healthz &
            i=$((i + 1))
        done >/tmp/answers 2>&1
        wait'
    is "what they were answered" "$(on sort /tmp/answers | uniq -c | xargs)" "40 200"
    within 10 unit_is ActiveState active
}
step "a connection starts the daemon, and forty at once are all answered" activates

loses_none() {
    on sh -ec 'rm -f /tmp/enough /tmp/lost; : >/tmp/count
        asks() {
            until [ -e /tmp/enough ]; do
                curl --silent --show-error --fail --max-time 20 --output /dev/null "$@" 2>>/tmp/lost
                echo . >>/tmp/count
            done
        }
        asks http://127.0.0.1:7878/healthz &
        asks --unix-socket /run/punctual/punctual.sock http://localhost/healthz &
        for _ in 1 2 3; do systemctl restart punctual.service; done
        touch /tmp/enough; wait'
    is "what was lost" "$(on cat /tmp/lost)" ""
    [ "$(on sh -c 'wc -l </tmp/count')" -ge 20 ] || fail "too few clients to tell"
}
step "three restarts lose no connection" loses_none

stays_down() {
    on systemctl stop punctual.socket punctual.service
    refused answers /healthz
    unit_is ActiveState inactive
    on systemctl disable punctual.socket
    on systemctl start punctual.service
    answers /readyz
}
step "both stopped, it stays down; without the socket unit it opens its own" stays_down
