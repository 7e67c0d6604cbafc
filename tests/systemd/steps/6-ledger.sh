# Backup and restore, in the words of docs/operations.md.

backup() {
    on install -d -o punctual -g punctual -m 0700 /var/backups/punctual
    jobs_of ledger <<TOML
$(manual docs/operations.md 'Back up and restore' toml)
[jobs.note]
every = "1000d"
command = ["true"]
TOML
    copy=/var/backups/punctual/$(on date +%F).db
    punctual trigger --wait note
    punctual trigger --wait backup-ledger
    is "the mode of the copy" "$(on stat --format='%a %U' "$copy")" "600 punctual"
    punctual db check
    punctual db check --ledger "$copy"
    on rm -r /var/backups/punctual
}
step "the ledger is copied by a job, inside the sandbox" backup

restore() {
    local before after steps
    follow "$(manual docs/operations.md 'Back up and restore' sh)"
    # Not in the copy.
    after=$(trigger note)
    within 10 status_is "$after" succeeded
    before=$(punctual runs --job note --json | jq -r '.items[1].id')
    on systemctl stop punctual
    refused punctual db check --ledger /var/lib/punctual/missing.db
    # In the middle of it there is nothing that could be taken for a ledger.
    on sh -ec 'printf damaged | dd of=/var/lib/punctual/punctual.db conv=notrunc status=none'
    refused on systemctl start punctual
    has "the journal" "$(journal)" 'restore it from a backup'
    # The day of the copy is today's here.
    steps=$(manual docs/operations.md 'Back up and restore' sh 2)
    follow "${steps//2026-11-26/$(on date +%F)}"
    status_is "$before" succeeded
    refused punctual run "$after"
    punctual audit
    on sh -c 'rm /var/backups/punctual-*.db'
}
step "a damaged ledger is refused; the copy in its place goes on" restore

earlier() {
    local format now=/var/lib/punctual/punctual.db
    on systemctl stop punctual
    on mv "$now" /root/now.db
    for format in tests/fixtures/ledgers/format-*.sql; do
        on sh -c "rm -f $now*"
        python3 -c 'import sqlite3, sys; sqlite3.connect(sys.argv[2]).executescript(open(sys.argv[1]).read())' \
            "$format" "$folder/earlier.db"
        put "$now" 0600 punctual:punctual <"$folder/earlier.db"
        rm "$folder/earlier.db"
        on systemctl start punctual
        [ "$(punctual runs --json | jq '.items | length')" -gt 0 ] || fail "$format: its runs are not known"
        punctual db check
        on systemctl stop punctual
    done
    on sh -c "rm -f $now*; mv /root/now.db $now"
    on systemctl start punctual
    punctual audit
}
step "ledgers of all earlier formats are taken over, under the daemon's user and sandbox" earlier
