select tenant_id, event_id, hint from provider_events
where state = 'parked' and next_attempt_at <= statement_timestamp()
order by next_attempt_at limit $1 for update skip locked
