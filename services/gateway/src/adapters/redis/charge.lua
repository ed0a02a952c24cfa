-- Charges every bucket, or none if one of them has no room.
-- KEYS: the buckets. ARGV, for each: what the request adds, the capacity, and what the caller
-- remembers (all in microseconds), and whether its memory counts although the bucket is there.
-- Answers the backlogs before the charge. The only clock is the one of this server.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local stored = redis.call('MGET', unpack(KEYS))
local backlogs, restored, has_room = {}, {}, true
for i = 1, #KEYS do
  local added, capacity = tonumber(ARGV[4 * i - 3]), tonumber(ARGV[4 * i - 2])
  local remembered, is_behind = tonumber(ARGV[4 * i - 1]), ARGV[4 * i] == '1'
  local tat = stored[i] and tonumber(stored[i])
  -- A clock that was set back must not shut anybody out for longer than a full bucket does.
  local backlog = tat and math.min(math.max(tat - now, 0), capacity) or 0
  if (is_behind or not tat) and remembered > backlog then
    backlog = math.min(remembered, capacity)
    restored[i] = true
  end
  backlogs[i] = backlog
  has_room = has_room and backlog + added <= capacity
end
for i = 1, #KEYS do
  if has_room or restored[i] then
    local backlog = backlogs[i] + (has_room and tonumber(ARGV[4 * i - 3]) or 0)
    redis.call('SET', KEYS[i], string.format('%.0f', now + backlog),
      'PX', string.format('%.0f', math.max(1, math.ceil(backlog / 1000))))
  end
end
return backlogs
