-- Why: a refund can fail after it succeeded, which the ledger records as `refund_reversed`; and an
-- entry without postings is refused.
-- Locks: `journal_entries` exclusively for a moment. Its rows satisfied the narrower check and are
-- not read again. Old code makes neither the new kind nor bare entries, and keeps working.

alter table journal_entries drop constraint journal_entries_kind_known;
alter table journal_entries add constraint journal_entries_kind_known check (kind in (
    'hold', 'release', 'capture', 'refund_set_aside', 'refund_paid', 'refund_given_back',
    'refund_reversed')) not valid;

-- At commit an entry must have got postings; `postings_balanced` sees only those there are.
create function require_postings() returns trigger language plpgsql as $$
begin
    if not exists (
        select from postings where tenant_id = new.tenant_id and entry_id = new.entry_id)
    then
        raise exception 'journal entry % has no postings', new.entry_id
            using errcode = 'check_violation', constraint = 'journal_entries_posted';
    end if;
    return null;
end
$$;
create constraint trigger journal_entries_posted after insert on journal_entries
    deferrable initially deferred for each row execute function require_postings();
