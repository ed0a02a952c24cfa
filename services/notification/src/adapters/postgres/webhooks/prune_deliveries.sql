delete from webhook_deliveries
where ctid = any (array(
    select ctid from webhook_deliveries
    where created_at < statement_timestamp() - $1 * interval '1 day'
    order by created_at
    limit $2
    for update skip locked))
