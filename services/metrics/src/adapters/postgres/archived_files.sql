-- The files that answer for a tenant in a range: by the manifest, and no others.
select f.path, f.bytes, t.rows, f.min_time, f.max_time
from archive_file_tenants t
join archive_files f on f.day = t.day and f.edition = t.edition and f.part = t.part
where t.tenant_id = $1 and f.answers and f.max_time >= $2 and f.min_time < $3
  and t.day >= ($2 at time zone 'UTC')::date and t.day <= ($3 at time zone 'UTC')::date
order by f.day, f.edition, f.part
limit $4
