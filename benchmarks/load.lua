-- For wrk: POST distinct bodies, one after the other, and say in one line of JSON what came of it.
-- A body is a line of the file BODIES; NUMBER in it stands for a number that no other request has.
local bodies, sent = {}, 0
local head = string.format(
    "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: %s\r\nContent-Length: ",
    os.getenv("LOAD_PATH"), os.getenv("LOAD_AUTHORIZATION"))

for line in io.lines(os.getenv("LOAD_BODIES")) do
    local parts = {}
    for part in (line .. "NUMBER"):gmatch("(.-)NUMBER") do
        parts[#parts + 1] = part
    end
    bodies[#bodies + 1] = parts
end

local first = tonumber(os.getenv("LOAD_FIRST"))

function request()
    local parts = bodies[sent % #bodies + 1]
    local body = table.concat(parts, string.format("%010d", first + sent))
    sent = sent + 1
    return head .. #body .. "\r\n\r\n" .. body
end

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        '{"answered":%d,"seconds":%.6f,"p50":%.3f,"p99":%.3f,"refused":%d,"broken":%d}\n',
        summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
        errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
