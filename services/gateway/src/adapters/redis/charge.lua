-- Charges every bucket, or none if one of them has no room.
-- KEYS: the buckets. ARGV, for each: what the request adds and the capacity, in microseconds; what
-- the caller remembers; and how that counts: "lost" (the time when all is given back, if the bucket
-- is gone), "told" (that time, if it is later), "ahead" (how long until then, if it is longer).
-- Answers the clock, which is the one of this server, and the backlogs before the charge.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local stored = redis.call('MGET', unpack(KEYS))
local answer, restored, has_room = { now }, {}, true
for i = 1, #KEYS do
  local added, capacity = tonumber(ARGV[4 * i - 3]), tonumber(ARGV[4 * i - 2])
  local remembered, counts = tonumber(ARGV[4 * i - 1]), ARGV[4 * i]
  local tat = stored[i] and tonumber(stored[i])
  if counts ~= 'ahead' then remembered = remembered - now end
  local backlog = tat and math.max(tat - now, 0) or 0
  if remembered > backlog and (counts ~= 'lost' or not tat) then
    backlog = remembered
    restored[i] = true
  end
  -- A clock that was set back must not shut anybody out for longer than a full bucket does.
  backlog = math.min(backlog, capacity)
  answer[i + 1] = backlog
  has_room = has_room and backlog + added <= capacity
end
for i = 1, #KEYS do
  if has_room or restored[i] then
    local backlog = answer[i + 1] + (has_room and tonumber(ARGV[4 * i - 3]) or 0)
    redis.call('SET', KEYS[i], string.format('%.0f', now + backlog),
      'PX', string.format('%.0f', math.max(1, math.ceil(backlog / 1000))))
  end
end
return answer
