insert into batch_ledger (tenant_id, producer_id, sequence, content_hash)
select b.tenant_id, b.producer_id, b.sequence, b.content_hash
from unnest($1::uuid[], $2::text[], $3::bigint[], $4::bytea[]) with ordinality
    as b (tenant_id, producer_id, sequence, content_hash, place)
order by b.place
on conflict on constraint batch_ledger_pk do nothing
returning tenant_id, producer_id, sequence, batch_number
