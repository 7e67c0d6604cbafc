# The package goes.

known_runs() { punctual runs --limit 1000 --json | jq '.items | length'; }

removed() {
    known_runs >"$folder/runs"
    on dpkg --remove punctual
    is "what runs as punctual" "$(on pgrep -u punctual || true)" ""
    refused on systemctl start punctual.service
    on test -s /var/lib/punctual/punctual.db
    on test -s /etc/punctual/config.toml
    refused on test -e /usr/bin/punctual
    is "what has failed" "$(on systemctl --failed --no-legend)" ""
}
step "removing stops the daemon and keeps config and ledger" removed

again() {
    on dpkg --install /root/newer.deb
    unit_is ActiveState active
    is "the service" "$(on systemctl is-enabled punctual.service)" enabled
    has "the config" "$(on cat /etc/punctual/config.toml)" '^shutdown_grace'
    is "the mode of the config" "$(on stat --format='%a %U %G' /etc/punctual/config.toml)" "640 root punctual"
    [ "$(cat "$folder/runs")" -ge 1 ] || fail "nothing to tell it by"
    is "how many runs are known" "$(known_runs)" "$(cat "$folder/runs")"
    punctual audit
}
step "installed again it goes on with what was kept" again

purged() {
    on dpkg --purge punctual
    on sh -c "rm -f /root/*.deb"
    # All file systems of its own; the user stays, so that nobody gets what its jobs left elsewhere.
    is "what is left" "$(on find / /run /tmp -xdev -path '*punctual*' -not -path '/proc/*')" ""
    is "what units are left" "$(on systemctl list-unit-files --no-legend 'punctual*')" ""
    is "what packages are left" "$(on dpkg-query --list 'punctual*' 2>/dev/null || true)" ""
    has "the user" "$(on getent passwd punctual)" nologin
    is "what has failed" "$(on systemctl --failed --no-legend)" ""
}
step "purging leaves nothing but the user" purged
