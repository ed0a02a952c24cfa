with spans as materialized (
    select 'user:' || s.user_id as stream, 0::bigint as after, null::bigint as upto, s.read_seq,
           '-infinity'::timestamptz as since, 'infinity'::timestamptz as until
    from user_streams s
    where s.tenant_id = $1 and s.user_id = $2
    union all
    select 'group:' || m.group_id, m.joined_after, m.left_at_seq, m.read_seq,
           m.joined_at, coalesce(m.left_at, 'infinity')
    from members m
    where m.tenant_id = $1 and m.user_id = $2 and (m.left_at_seq is null or not $3)
), wanted as materialized (
    select s.stream, s.after, s.upto, s.read_seq, s.until,
           case when $3 then (
               -- Null if nothing is unread: no row is at or behind that.
               select n.created_at from notifications n
               where n.tenant_id = $1 and n.stream = s.stream and n.seq > s.read_seq
               order by n.seq limit 1)
           else s.since end as since
    from spans s
)
select n.stream, n.seq, n.id, n.created_at, n.content::text, n.seq <= w.read_seq
from wanted w
cross join lateral (
    select n.stream, n.seq, n.id, n.created_at, n.content
    from notifications n
    where n.tenant_id = $1 and n.stream = w.stream
      and n.created_at >= w.since
      and n.created_at <= least(w.until, coalesce($4::timestamptz, 'infinity'))
      and n.seq > w.after and (w.upto is null or n.seq <= w.upto)
      and (not $3 or n.seq > w.read_seq)
      and ($4 is null or (n.created_at, n.stream, n.seq) < ($4, $5::text, $6::bigint))
    order by n.created_at desc, n.seq desc
    limit $7
) n
order by n.created_at desc, n.stream desc, n.seq desc
limit $7
