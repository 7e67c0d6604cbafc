# A newer version takes over while jobs run.

begin_patient() {
    jobs_of patient <<'TOML'
[jobs.patient]
every = "1000d"
shell = 'echo one; echo $$ >/srv/test/patient.new; mv /srv/test/patient.new /srv/test/patient; until [ -e /srv/test/go ]; do sleep 0.1; done; echo two; exit 3'
TOML
    on rm -f /srv/test/go /srv/test/patient
    run=$(trigger patient)
    within 10 on test -e /srv/test/patient
    pid=$(unit MainPID)
    process=$(on cat /srv/test/patient)
}

# It is the same process of the daemon, and the same of the job, which ends as if nothing had been.
patient_ends_well() {
    is "the main process" "$(unit MainPID)" "$pid"
    on kill -0 "$process"
    status_is "$run" running
    on touch /srv/test/go
    within 10 status_is "$run" failed
    is "its exit code" "$(punctual run "$run" --json | jq -r .exit_code)" 3
    is "its output" "$(punctual logs "$run" | tr '\n' ' ')" "one two "
    punctual audit
}

took_over() { has "the journal" "$(journal)" 'took over'; }

in_place() {
    begin_patient
    follow "$(manual docs/systemd.md 'Upgrade while jobs run' sh)"
    within 20 took_over
    within 10 unit_is ActiveState active
    patient_ends_well
}
step "SIGUSR2: the daemon is replaced in its process, and what runs goes on" in_place

many() {
    local before number
    settings watchdog <<<$'[Service]\nWatchdogSec=6s'
    on systemctl restart punctual
    before=$(unit NRestarts)
    pid=$(unit MainPID)
    times() { is "how often it took over" "$(journal | grep -c 'took over')" "$1"; }
    # Closer to each other than the meals of the watchdog, and for longer than it waits.
    local until=$((SECONDS + 15))
    number=0
    while [ "$SECONDS" -lt "$until" ]; do
        number=$((number + 1))
        on systemctl kill --signal=SIGUSR2 --kill-whom=main punctual
        within 20 times "$number"
        within 10 unit_is ActiveState active
    done
    is "the main process" "$(unit MainPID)" "$pid"
    unit_is NRestarts "$before"
    lacks "the journal" "$(journal)" 'Watchdog timeout'
    no_settings
    on systemctl restart punctual
}
step "one upgrade upon the other does not starve the watchdog" many

unfit() {
    begin_patient
    echo 'cron = "61 * * * *"' | put /etc/punctual/conf.d/broken.toml 0640 root:punctual
    said=$(on dpkg --install /root/newer.deb 2>&1)
    has "what dpkg says" "$said" 'the version before goes on'
    has "what dpkg says" "$said" '/etc/punctual/conf.d/broken.toml:1:'
    has "the program of the process" "$(on readlink "/proc/$pid/exe")" deleted
    lacks "the journal" "$(journal)" 'took over'
    on rm /etc/punctual/conf.d/broken.toml
    # The same package once more, as a repair does; this time it can.
    said=$(on dpkg --install /root/newer.deb 2>&1)
    has "what dpkg says" "$said" 'has taken over'
    is "the program of the process" "$(on readlink "/proc/$pid/exe")" /usr/bin/punctual
    within 10 unit_is ActiveState active
    patient_ends_well
}
step "a package whose version refuses the config leaves the old one running, and says why" unfit

older() {
    begin_patient
    on dpkg --force-downgrade --install /root/punctual.deb
    is "the version" "$(punctual --version)" "punctual $(on dpkg-deb --field /root/punctual.deb Version | sed 's/-1$//')"
    patient_ends_well
}
step "back to the version before, whose ledger is the same, likewise" older

upgrades() {
    begin_patient
    on cp /root/newer.deb /root/punctual_0.2.0-1_amd64.deb
    said=$(follow "$(manual docs/operations.md Upgrade sh)" 2>&1)
    has "what dpkg says" "$said" 'has taken over'
    # It returns when it is done.
    took_over
    is "the version" "$(punctual --version)" "punctual $(on dpkg-deb --field /root/newer.deb Version | sed 's/-1$//')"
    has "the config" "$(on cat /etc/punctual/config.toml)" '^shutdown_grace'
    patient_ends_well
}
step "a package of a higher version takes over in place, and what runs goes on" upgrades

amid_a_reload() {
    begin_patient
    settings slow <<<$'[Service]\nExecReload=\nExecReload=/bin/sh -c "until [ -e /srv/test/reloaded ]; do sleep 0.1; done"'
    on rm -f /srv/test/reloaded
    on systemctl reload --no-block punctual
    within 10 unit_is ActiveState reloading
    on dpkg --install /root/newer.deb >"$folder/dpkg" 2>&1 &
    local dpkg=$!
    # The reload waits for this, and the package does not wait for the reload for ever.
    within 60 took_over
    on touch /srv/test/reloaded
    wait "$dpkg"
    has "what dpkg says" "$(cat "$folder/dpkg")" 'has taken over'
    within 10 unit_is ActiveState active
    no_settings
    patient_ends_well
}
step "a package that comes in the middle of a reload takes over all the same" amid_a_reload
