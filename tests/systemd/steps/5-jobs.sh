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
[jobs.fails]
every = "1000d"
command = ["false"]
TOML
    run=$(trigger fails)
    within 10 status_is "$run" failed
    found() {
        on journalctl --sync
        entry=$(on journalctl --unit=punctual --output=json PUNCTUAL_JOB=fails "PUNCTUAL_RUN_ID=$run" -p warning)
        has "the entry" "$entry" '"MESSAGE"'
    }
    within 10 found
}
step "the journal is found by job and run" fields
