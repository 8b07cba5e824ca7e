-- Sends the requests of a file in rotation, and prints what wrk measured as one line of JSON.
-- Every variant is loaded by this one script, so that the client's side is the same for all.
-- Arguments: the file (see requests.py), the first request's place in it, milliseconds between requests.

local requests, place, pause = {}, 0, 0

function init(args)
   local file = assert(io.open(args[1], "rb"))
   while true do
      local length = file:read("*n")
      if not length then break end
      file:read(1)
      requests[#requests + 1] = file:read(length)
   end
   file:close()
   place, pause = tonumber(args[2]), tonumber(args[3])
   -- wrk asks for a delay before each request if there is a function of this name. Spread, or the
   -- connections fall into step.
   if pause > 0 then
      delay = function() return math.random(1, 2 * pause - 1) end
   end
end

function request()
   place = place % #requests + 1
   return requests[place]
end

function done(summary, latency)
   local e = summary.errors
   io.write(string.format(
      'json:{"requests":%d,"seconds":%f,"p50":%d,"p99":%d,"socket_errors":%d,"status_errors":%d}\n',
      summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
      e.connect + e.read + e.write + e.timeout, e.status))
end
