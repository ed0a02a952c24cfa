-- Users of a piece of the history whom a rule of theirs may let be mailed, and who have an address that
-- is not refused: those of their own streams, and of groups those who were members at the sequence. An
-- address that is being deleted or refused is waited for.
with told as materialized (
    select n.tenant_id, n.stream, n.seq, n.id, n.content->>'type' as kind
    from notifications n
    where n.tx >= $1
      and n.tx < $2
      and n.created_at >= greatest(
          (select not_before from email_cursor),
          statement_timestamp() - $3 * interval '1 hour'))
select t.tenant_id, t.id as notification_id, u.user_id, t.kind,
    p.muted_types, p.quiet_start, p.quiet_end, p.quiet_zone, p.channel_rules
from told t
cross join lateral (
    select substr(t.stream, 6) collate "C" as user_id
    where starts_with(t.stream, 'user:')
    union all
    select m.user_id
    from members m
    where starts_with(t.stream, 'group:')
      and m.tenant_id = t.tenant_id
      and m.group_id = substr(t.stream, 7) collate "C"
      and m.joined_after < t.seq
      and (m.left_at_seq is null or m.left_at_seq >= t.seq)) as u
join user_preferences p
    on p.tenant_id = t.tenant_id and p.user_id = u.user_id and p.wants_email
join email_addresses a
    on a.tenant_id = t.tenant_id and a.user_id = u.user_id and a.refused_at is null
for share of a
