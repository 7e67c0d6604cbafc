# What jobs get from the service manager, and what the journal gets from them.

credentials() {
    local secret=correct-horse-battery-staple run
    printf %s "$secret" | put /root/passphrase 0600
    settings credential <<<$'[Service]\nLoadCredential=passphrase:/root/passphrase'
    jobs_of credential <<'TOML'
[jobs.knows]
every = "1000d"
env = { PASSPHRASE = { credential = "passphrase" } }
shell = 'printf %s "$PASSPHRASE" | sha256sum >/srv/test/digest; echo "it is $PASSPHRASE"'
TOML
    on systemctl restart punctual
    run=$(trigger knows)
    within 10 status_is "$run" succeeded
    is "the digest of what it got" "$(on cut -d' ' -f1 /srv/test/digest)" \
        "$(printf %s "$secret" | sha256sum | cut -d' ' -f1)"
    has "its output" "$(punctual logs "$run")" '^it is '
    lacks "its output" "$(punctual logs "$run")" "$secret"
    on journalctl --sync
    lacks "the journal" "$(on journalctl --output=export)" "$secret"
    lacks "the API" "$(punctual job knows --json; punctual run "$run" --json)" "$secret"
    refused on grep -rq "$secret" /var/lib/punctual /run/punctual
    no_settings
    on systemctl restart punctual
}
step "a credential reaches its job, and neither log, ledger nor API" credentials

fields() {
    local run entry
    jobs_of fields <<'TOML'
[jobs.backup]
every = "1000d"
command = ["false"]
TOML
    run=$(trigger backup)
    within 10 status_is "$run" failed
    found() {
        on journalctl --sync
        entry=$(on journalctl --unit=punctual --output=json "PUNCTUAL_RUN_ID=$run" -p warning)
        has "the entry" "$entry" '"PUNCTUAL_JOB":"backup"'
        has "what the manual finds" "$(follow "$(manual docs/systemd.md 'Where the log goes' sh)")" failed
    }
    within 10 found
}
step "the journal is found by job and run" fields

groups() {
    local run process group
    jobs_of groups <<'TOML'
[jobs.grouped]
every = "1000d"
shell = 'setsid sh -c "echo \$\$ >/srv/test/grouped.new; mv /srv/test/grouped.new /srv/test/grouped; exec sleep 600" & until [ -e /srv/test/grouped ]; do sleep 0.1; done; sleep 600'
TOML
    run=$(trigger grouped)
    within 10 on test -e /srv/test/grouped
    process=$(on cat /srv/test/grouped)
    group=$(on sed -n 's/^0:://p' "/proc/$process/cgroup")
    has "the group of what the job left in the background" "$group" "/punctual.service/jobs/$run\\.1\$"
    has "the group of the daemon" "$(on cat "/proc/$(unit MainPID)/cgroup")" '/punctual.service/daemon$'
    # It has left the job's session and group of processes, but not its control group.
    punctual cancel "$run"
    within 20 status_is "$run" cancelled
    within 10 refused on kill -0 "$process"
    within 10 refused on test -e "/sys/fs/cgroup$group"
}
step "each attempt has a control group, which goes with all that is in it" groups
on journalctl --quiet --unit=punctual --output=cat --grep='control group' | sort -u | sed 's/^/      /' || true
