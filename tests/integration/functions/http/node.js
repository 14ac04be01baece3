// A function with Node's own HTTP server: node node.js PORT|/PATH
//
//   /hello                hello
//   /echo                 the request's body, while it comes
//   /bytes/N              N bytes of the pattern, in chunks
//   /status/N             this status, and its number as the text
//   /link                 the number of this connection of the watchdog's
//   /seen                 method, target, version and fields as JSON
//   /hang-up              ends the connection instead of an answer
//   /break                ends it in the middle of one
//   /sse                  a stream of events: one for each POST /event, until POST /over
//   /ws                   WebSocket, an echo (needs the package node-ws)
const http = require('http');

const PATTERN = Buffer.from(Array.from({ length: 251 }, (_, i) => i));
const listeners = new Set();
let links = 0;

const server = http.createServer((request, response) => {
  const [, name, value] = request.url.split('?')[0].split('/');
  const text = (body, status = 200) => {
    response.writeHead(status, { 'Content-Type': 'text/plain', 'Content-Length': Buffer.byteLength(body) });
    response.end(body);
  };
  const whole = (use) => {
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece)).on('end', () => use(Buffer.concat(pieces)));
  };

  switch (name) {
    case 'hello':
      return text('hello');
    case 'echo': {
      const head = { 'Content-Type': 'application/octet-stream' };
      if ('content-length' in request.headers) head['Content-Length'] = request.headers['content-length'];
      response.writeHead(200, head);
      return request.pipe(response);
    }
    case 'bytes':
      return pattern(response, Number(value));
    case 'status':
      return text(value, Number(value));
    case 'link':
      return text(String(request.socket.number));
    case 'seen':
      return text(JSON.stringify([request.method, request.url, request.httpVersion, request.rawHeaders]));
    case 'hang-up':
      return request.socket.destroy();
    case 'break':
      response.writeHead(200, { 'Content-Type': 'text/plain' });
      return response.write('the beginning', () => request.socket.destroy());
    case 'sse':
      response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
      response.flushHeaders();
      listeners.add(response);
      return request.on('close', () => listeners.delete(response));
    case 'event':
      return whole((body) => {
        for (const listener of listeners) listener.write(`data: ${body}\n\n`);
        text(String(listeners.size));
      });
    case 'over':
      for (const listener of listeners) listener.end();
      return text('over');
    default:
      return text('nothing here', 404);
  }
});

function pattern(response, left) {
  response.writeHead(200, { 'Content-Type': 'application/octet-stream' });
  const block = Buffer.concat(Array(256).fill(PATTERN)); // whole patterns, so that each block begins one
  const more = () => {
    while (left > 0) {
      const piece = left < block.length ? block.subarray(0, left) : block;
      left -= piece.length;
      if (!response.write(piece)) return response.once('drain', more);
    }
    response.end();
  };
  more();
}

server.maxRequestsPerSocket = 10; // it closes the connection with the tenth answer
server.on('connection', (socket) => {
  socket.number = ++links;
});

try {
  const { WebSocketServer } = require('ws');
  const sockets = new WebSocketServer({
    server,
    path: '/ws',
    maxPayload: 64 << 20,
    perMessageDeflate: { threshold: 0 },
    handleProtocols: (asked) => (asked.has('echo') ? 'echo' : false),
  });
  sockets.on('connection', (socket) => {
    socket.on('message', (data, binary) => {
      const said = binary ? '' : data.toString();
      if (said.startsWith('close ')) socket.close(Number(said.slice(6)), 'as you like');
      else if (said === 'ping me') socket.ping('are you there?');
      else socket.send(data, { binary });
    });
    socket.on('pong', (data) => socket.send(`pong: ${data}`));
  });
} catch (error) {
  if (error.code !== 'MODULE_NOT_FOUND') throw error;
}

const where = process.argv[2];
server.listen(where.startsWith('/') ? { path: where } : { host: '127.0.0.1', port: Number(where) });
