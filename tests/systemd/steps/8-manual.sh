# What the manual has that stands beside the daemon: cron, a token, a proxy, Prometheus, a container.

from_cron() {
    local said
    on sh -ec "printf '%s\n' 'MAILTO=root' '# Every night' '30 2 * * * echo copied %50' '@daily true' | crontab -"
    said=$(follow "$(manual docs/from-cron.md 'From cron' sh)" 2>&1)
    has "what it says" "$said" 'The configuration is valid; it has 2 jobs'
    has "the system's" "$(on cat /root/system.toml)" 'user = "root"'
    follow "$(sentence docs/operations.md 'install -m 0640 -g punctual jobs.toml /etc/punctual/conf.d/')"
    follow "$(sentence docs/operations.md 'punctual check --config /etc/punctual/config.toml')"
    follow "$(sentence docs/operations.md 'systemctl reload punctual')"
    on sed -n 's/^\[jobs\.\(.*\)\]/\1/p' /etc/punctual/conf.d/jobs.toml >"$folder/names"
    is "how many came over" "$(wc -l <"$folder/names")" 2
    punctual job "$(head -1 "$folder/names")"
    follow "$(sentence docs/from-cron.md 'crontab -r')"
    refused on crontab -l
    on rm /etc/punctual/conf.d/jobs.toml
    punctual reload
}
step "a crontab becomes jobs of the daemon" from_cron

# Lines for the end of the config, which are gone after the step.
config_ends_in() {
    on cp -p /etc/punctual/config.toml /root/config.before
    on sh -c 'cat >>/etc/punctual/config.toml'
    punctual reload
}
config_as_before() {
    on mv /root/config.before /etc/punctual/config.toml
    punctual reload
}
asks() { on curl --silent --show-error --max-time 20 "$@"; }
code_of() { asks --output /dev/null --write-out '%{http_code}' "$@"; }

# The lines of a new token in the config, from what the command says.
known() { sed -n '/^\[\[server.tokens\]\]/,$p' <<<"$1" | config_ends_in; }

token() {
    local bearer
    known "$(follow "$(manual docs/operations.md Install sh 2)" 2>&1)"
    bearer="Authorization: Bearer $(on cat /root/deploy.token)"
    is "what an operator may not" "$(code_of -X POST -H "$bearer" http://127.0.0.1:7878/api/v1/reload)" 403
    said=$(follow "TOKEN=\$(cat deploy.token)
$(manual docs/api.md 'Who may do what' sh)")
    is "whether it was told of jobs, both ways" "$(jq -s 'map(has("items"))' -c <<<"$said")" "[true,true]"
    config_as_before
    known "$(follow "$(manual docs/api.md Tokens sh)" 2>&1)"
    said=$(follow "$(manual docs/api.md Tokens sh 2)")
    is "who asks" "$(jq -c '[.name, .role, .jobs]' <<<"$said")" '["deploy","operator",["backup-*"]]'
    config_as_before
    is "the answer to a token that went" "$(code_of -H "$bearer" http://127.0.0.1:7878/api/v1/jobs)" 401
}
step "a token is made, and opens the API on TCP" token

# A service beside the daemon, for as long as the step takes: beside NAME COMMAND…
beside() { on systemd-run --quiet --collect --unit="$1" "${@:2}"; }

proxy() {
    local before bearer run
    on sed -i 's/^listen = .*/listen = ["127.0.0.1:7878"]/' /etc/punctual/config.toml
    before=$(on cat /etc/punctual/config.toml)
    has "the config" "$before" '^auth = "token"'
    has "what the manual says" "$(manual docs/how-to.md 'Put it behind a reverse proxy with TLS' toml)" '^allowed_hosts = \["punctual.example.org"\]$'
    bearer=$(punctual token new --name proxy --role operator --json)
    jq -r .config <<<"$bearer" | config_ends_in
    on sed -i '/^\[server\]/a allowed_hosts = ["punctual.example.org"]' /etc/punctual/config.toml
    jobs_of proxy <<<$'[jobs.seen]\nevery = "1000d"\nshell = "echo seen"'
    on systemctl restart punctual
    bearer="Authorization: Bearer $(jq -r .token <<<"$bearer")"

    put /etc/ssl/punctual.pem <tests/fixtures/tls/server.pem
    put /etc/ssl/punctual.key 0600 <tests/fixtures/tls/server.key
    manual docs/how-to.md 'Put it behind a reverse proxy with TLS' nginx | put /etc/nginx/conf.d/punctual.conf
    on sh -c 'rm -f /etc/nginx/sites-enabled/*'
    on nginx -t
    beside proxy nginx -g 'daemon off;'
    through() { "$1" --insecure --resolve punctual.example.org:443:127.0.0.1 "${@:3}" "https://punctual.example.org$2"; }
    within 10 through asks /healthz --fail
    is "an answer without a token" "$(through code_of /api/v1/jobs)" 401
    is "an answer" "$(through code_of /api/v1/jobs -H "$bearer")" 200
    is "an answer to another name" "$(code_of -H 'Host: else.example.org' http://127.0.0.1:7878/healthz)" 421
    run=$(through asks '/api/v1/jobs/seen/trigger?wait=true' -X POST -H "$bearer" | jq -r .id)
    is "what it printed" "$(through asks "/api/v1/runs/$run/output" -H "$bearer")" seen
    # The events of a run arrive while the stream goes on.
    through on_the_stream /api/v1/events -H "$bearer" >"$folder/events" &
    within 10 heard 'retry\|: '
    run=$(trigger seen)
    within 10 heard "$run"
    on systemctl stop proxy
    wait $! || true
    on sh -c 'rm -f /etc/nginx/conf.d/punctual.conf /etc/ssl/punctual.* /etc/punctual/conf.d/proxy.toml'
    config_as_before
    on systemctl restart punctual
}
on_the_stream() { on curl --silent --no-buffer --max-time 60 "$@"; }
heard() { grep -q -- "$1" "$folder/events"; }
step "nginx speaks TLS for the daemon, streams included" proxy

monitored() {
    local token
    token=$(follow "$(sentence docs/metrics.md 'punctual token new --name prometheus --role viewer') --json")
    jq -r .config <<<"$token" | config_ends_in
    jq -r .token <<<"$token" | put /etc/prometheus/punctual.token 0640 root:prometheus
    # As often as a test wants it; all else is the manual's.
    {
        printf 'global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\nrule_files: [alerts.yml]\n'
        manual docs/metrics.md Metrics yaml
    } | put /etc/prometheus/prometheus.yml
    manual docs/metrics.md 'Three alerts' yaml | put /etc/prometheus/alerts.yml
    on promtool check config /etc/prometheus/prometheus.yml
    jobs_of monitored <<<$'[jobs.breaks]\nevery = "1000d"\nshell = "false"'
    on install -d -o prometheus /srv/test/prometheus
    beside monitor --uid=prometheus prometheus --config.file=/etc/prometheus/prometheus.yml \
        --storage.tsdb.path=/srv/test/prometheus --web.listen-address=127.0.0.1:9090
    says() { asks --fail "http://127.0.0.1:9090/api/v1/$1" | jq -e "$2"; }
    within 20 says 'query?query=up' '.data.result[] | select(.metric.job == "punctual").value[1] == "1"'
    punctual trigger breaks
    within 20 says alerts '.data.alerts[] | select(.labels.alertname == "JobFailed" and .labels.job == "breaks") | .annotations.summary | startswith("breaks: ")'
    on systemctl stop monitor
    on sh -c 'rm -rf /srv/test/prometheus /etc/prometheus/*punctual* /etc/punctual/conf.d/monitored.toml'
    config_as_before
}
step "Prometheus reads the figures, and its alert tells of a job that failed" monitored

# As a container's first process, which nothing is beside: a namespace of processes of its own.
contained() {
    local first
    jobs_of contained <<'TOML'
[jobs.leaves]
every = "1000d"
shell = '(setsid sh -c "until [ -e /srv/test/leave ]; do sleep 0.1; done" &); echo left'
kill_timeout = "1ms"
TOML
    on systemctl stop punctual
    # A container's daemon is its root.
    on chown -R root: /var/lib/punctual /run/punctual
    # Kept if it fails, for that to be seen.
    on systemd-run --quiet --unit=container --service-type=exec --property=KillMode=mixed \
        unshare --pid --fork --kill-child --mount-proc \
        $(manual docs/how-to.md 'Run it in a container' sh)
    within 10 answers /readyz
    punctual trigger --wait leaves
    first=$(on pgrep --newest --exact punctual)
    is "its number inside" "$(on sed -n 's/^NSpid:.*\t//p' "/proc/$first/status")" 1
    # What its parent has left behind is its own, and nothing stays that nobody waits for.
    has_none() { is "its children" "$(on pgrep --parent "$first" || true)" ""; }
    within 10 has_none
    on kill -TERM "$first"
    within 40 refused on kill -0 "$first"
    is "what has failed" "$(on systemctl --failed --no-legend)" ""
    on rm /etc/punctual/conf.d/contained.toml
    on chown -R punctual: /var/lib/punctual /run/punctual
    on systemctl start punctual
}
step "as the first process of a container it reaps what jobs leave, and ends when it is told" contained
