-- The newest day of a range that has anything of anybody: one look at the index.
select max(start_time) from rollup_days where start_time >= $1 and start_time < $2
