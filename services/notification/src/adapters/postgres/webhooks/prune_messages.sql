-- What nobody is sent any more. One that is told to a further endpoint meanwhile is younger.
delete from webhook_messages
where ctid = any (array(
    select m.ctid from webhook_messages m
    where m.created_at < statement_timestamp() - $1 * interval '1 day'
      and not exists (
          select from webhook_deliveries d
          where d.tenant_id = m.tenant_id and d.message_id = m.message_id)
    order by m.created_at
    limit $2))
