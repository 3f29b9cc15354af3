// What a program in Node sees of a request, over HTTP/1.1 or, as `node_upstream.mjs http2`, over HTTP/2 without TLS.
import http from "node:http";
import http2 from "node:http2";

function pairs(raw) {
  const all = [];
  for (let at = 0; at < raw.length; at += 2) all.push([raw[at], raw[at + 1]]);
  return all.filter(([name]) => !name.startsWith(":"));
}

async function answer(request, response) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const body = Buffer.concat(pieces).toString("latin1");
  const seen = pairs(request.rawHeaders);
  if (request.httpVersionMajor === 2) seen.push(["host", request.authority]);
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ seen, body, trailers: pairs(request.rawTrailers) }));
}

const server = process.argv[2] === "http2" ? http2.createServer(answer) : http.createServer(answer);
server.listen(0, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
