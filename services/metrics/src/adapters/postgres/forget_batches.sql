-- Up to where the ledger is forgotten is noted in the same transaction; keys have no order, and are
-- forgotten without a note.
with old as (
    select tenant_id, producer_id, sequence, stored_at, content_hash is not null as keyed
    from batch_ledger
    where stored_at < now() - make_interval(days => $1)
    limit $2
), noted as (
    insert into producers as p (tenant_id, producer_id, forgotten_through, last_stored_at)
    select tenant_id, producer_id, max(sequence), max(stored_at)
    from old
    where not keyed
    group by tenant_id, producer_id
    order by tenant_id, producer_id
    on conflict on constraint producers_pk do update
    set forgotten_through = greatest(p.forgotten_through, excluded.forgotten_through),
        last_stored_at = greatest(p.last_stored_at, excluded.last_stored_at)
)
delete from batch_ledger l
using old
where l.tenant_id = old.tenant_id and l.producer_id = old.producer_id
  and l.sequence = old.sequence
