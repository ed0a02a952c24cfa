//! Group 6, of a system that tells people what happened: nothing that was told is missing.

use crate::check::{Check, Service, Sql, Test};
use crate::findings::Subject;

const ON: &[Service] = &[Service::Notification];

pub(super) const CHECKS: &[Check] = &[
    Check {
        group: 6,
        invariant: "notification.no_gaps",
        says: "what a stream was told is kept without a gap, up to its last sequence",
        test: Test::Sql(Sql {
            on: ON,
            subject: Subject::Text,
            checked: STREAMS,
            offenders: GAPS,
        }),
    },
    Check {
        group: 6,
        invariant: "notification.times_follow",
        says: "within a stream a later sequence has no earlier time",
        test: Test::Sql(Sql {
            on: ON,
            subject: Subject::Text,
            checked: STREAMS,
            offenders: TIMES,
        }),
    },
    // The id of what is told of an order is made of the order and of what happened to it, so this is
    // also: once for each order and kind.
    Check {
        group: 6,
        invariant: "notification.told_once",
        says: "nobody was told the same notification twice",
        test: Test::Sql(Sql {
            on: ON,
            subject: Subject::Text,
            checked: "select count(*) from notifications",
            offenders: TWICE,
        }),
    },
    Check {
        group: 6,
        invariant: "notification.read_is_told",
        says: "nobody has read what was not told yet",
        test: Test::Sql(Sql {
            on: ON,
            subject: Subject::Text,
            checked: CURSORS,
            offenders: READ,
        }),
    },
    Check {
        group: 6,
        invariant: "notification.members_once",
        says: "a membership ends before the next one of the same user begins",
        test: Test::Sql(Sql {
            on: ON,
            subject: Subject::Text,
            checked: "select count(*) from members",
            offenders: OVERLAPS,
        }),
    },
    Check {
        group: 6,
        invariant: "notification.mailed_is_told",
        says: "an e-mail says to a user what they, or a group they were in at that moment, were told",
        test: Test::Sql(Sql {
            on: ON,
            subject: Subject::Text,
            checked: "select count(*) from emails",
            offenders: MAILED,
        }),
    },
];

const STREAMS: &str = "
select (select count(*) from user_streams) + (select count(*) from groups)";

const CURSORS: &str = "
select (select count(*) from user_streams) + (select count(*) from members)";

// Of a stream that was last told something before what is kept, nothing is there.
const GAPS: &str = "
select coalesce(s.tenant_id, k.tenant_id), coalesce(s.stream, k.stream),
       format('the last is %s; kept are %s from %s to %s', s.last_seq, k.n, k.first, k.last)
from (select tenant_id, 'user:' || user_id as stream, last_seq, last_at from user_streams
      union all
      select tenant_id, 'group:' || group_id, last_seq, last_at from groups) s
full join (select tenant_id, stream, count(distinct seq) as n, count(*) as rows,
                  min(seq) as first, max(seq) as last
           from notifications group by tenant_id, stream) k
    on k.tenant_id = s.tenant_id and k.stream = s.stream
cross join (select min(month)::timestamp at time zone 'UTC' as kept_from
            from notification_months) m
where s.last_seq is null
   or k.n <> k.last - k.first + 1
   or k.rows <> k.n
   or k.last is distinct from s.last_seq
      and not (k.last is null and (s.last_seq = 0 or s.last_at < m.kept_from))";

const TIMES: &str = "
select tenant_id, stream, format('%s has an earlier time than the one before', seq)
from (select tenant_id, stream, seq, created_at,
             lag(created_at) over (partition by tenant_id, stream order by seq) as before
      from notifications) n
where created_at < before";

const TWICE: &str = "
select tenant_id, stream, format('was told %s %s times', id, count(*))
from notifications
group by tenant_id, stream, id
having count(*) > 1";

const READ: &str = "
select tenant_id, 'user:' || user_id, format('has read %s of %s', read_seq, last_seq)
from user_streams where read_seq > last_seq
union all
select m.tenant_id, 'user:' || m.user_id,
       format('has read %s of %s in group:%s', m.read_seq, g.last_seq, m.group_id)
from members m
join groups g on g.tenant_id = m.tenant_id and g.group_id = m.group_id
where m.read_seq > coalesce(m.left_at_seq, g.last_seq)";

const OVERLAPS: &str = "
select tenant_id, 'user:' || user_id, format('is twice in group:%s after %s', group_id, joined_after)
from (select tenant_id, user_id, group_id, joined_after,
             lag(coalesce(left_at_seq, 9223372036854775807)) over (
                 partition by tenant_id, user_id, group_id order by joined_after) as left_before
      from members) m
where left_before >= joined_after";

// Of what is no longer kept nothing is known.
const MAILED: &str = "
select e.tenant_id, 'user:' || e.user_id, format('was mailed %s and not told it', e.notification_id)
from emails e
join email_messages t on t.tenant_id = e.tenant_id and t.notification_id = e.notification_id
where t.told_at >= (select min(month)::timestamp at time zone 'UTC' from notification_months)
  and not exists (
      select from notifications n
      where n.tenant_id = e.tenant_id and n.id = e.notification_id
        and n.stream = 'user:' || e.user_id)
  and not exists (
      select from notifications n
      join members m
          on m.tenant_id = n.tenant_id
         and m.group_id = substr(n.stream, 7)
         and m.joined_after < n.seq
         and (m.left_at_seq is null or m.left_at_seq >= n.seq)
      where n.tenant_id = e.tenant_id and n.id = e.notification_id
        and starts_with(n.stream, 'group:') and m.user_id = e.user_id)";
