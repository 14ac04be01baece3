'use strict';

// Serves function/handler.js over HTTP. Where to listen is read from upstream_url, as fwatchdog does. fwatchdog is the
// only client: it has checked the requests, limits their size and their time, and decides how long a connection is kept.

const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const querystring = require('node:querystring');

class NotJson extends SyntaxError {} // the caller's fault, where the handler does not catch it

class Event {
  constructor(request, body) {
    const [path, ...query] = request.url.split('?');
    this.method = request.method;
    this.path = path;
    this.query = querystring.parse(query.join('?'), '&', '=', { maxKeys: 0 });
    this.headers = request.headers;
    this.headersDistinct = request.headersDistinct;
    this.body = body;
  }

  text() {
    return this.body.toString();
  }

  json() {
    try {
      return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(this.body));
    } catch (error) {
      throw new NotJson('The request body is not JSON', { cause: error });
    }
  }
}

class Context {
  #answer;
  #headers = {};
  #status = 200;

  constructor(event, answer) {
    this.#answer = answer;
    this.hostname = os.hostname();
    this.callId = event.headers['x-call-id'];
  }

  status(status) {
    if (status === undefined) return this.#status;
    this.#status = status;
    return this;
  }

  headers(headers) {
    if (headers === undefined) return this.#headers;
    this.#headers = headers;
    return this;
  }

  succeed(value) {
    this.#answer({ status: this.#status, headers: this.#headers, value });
  }

  fail(reason) {
    console.error(reason);
    if (this.#status === 200) this.#status = 500;
    this.succeed(reason instanceof Error ? String(reason) : reason);
  }
}

// The first of succeed(), fail(), the callback and the returned value is the answer. A handler with a third parameter
// may return before it has one.
function call(handler, event) {
  return new Promise((resolve, reject) => {
    let answered = false;
    const context = new Context(event, (answer) => {
      answered = true;
      resolve(answer);
    });
    const callback = (error, value) => (error ? context.fail(error) : context.succeed(value));
    const run = async () => {
      const value = await handler(event, context, callback);
      if (handler.length < 3 || value !== undefined) context.succeed(value);
    };
    run().catch((error) => (answered ? console.error(error) : reject(error)));
  });
}

// The bytes of a value, and the Content-Type they have unless the handler says another.
function encodeBody(value) {
  if (value === undefined || value === null) return [Buffer.alloc(0)];
  if (value instanceof Uint8Array) return [value];
  if (typeof value === 'string') return [Buffer.from(value), 'text/plain; charset=utf-8'];
  const text = JSON.stringify(value);
  if (text === undefined) throw new TypeError(`cannot be sent: a ${typeof value}`);
  return [Buffer.from(text), 'application/json'];
}

const FRAMING = ['connection', 'content-length', 'transfer-encoding']; // is decided here

function encode({ status, headers, value }) {
  if (!Number.isInteger(status) || status < 200 || status > 599) throw new RangeError(`not a status: ${status}`);
  const [body, type] = encodeBody(value);
  const fields = Object.entries(headers)
    .flatMap(([name, values]) => [values].flat().map((one) => [name, one]))
    .filter(([name]) => !FRAMING.includes(name.toLowerCase()));
  for (const [name, one] of fields) {
    http.validateHeaderName(name);
    http.validateHeaderValue(name, one);
  }
  if (type && !fields.some(([name]) => name.toLowerCase() === 'content-type')) fields.push(['Content-Type', type]);
  if (status !== 204 && status !== 304) fields.push(['Content-Length', body.length]);
  return { status, fields, body };
}

function failure(status, text) {
  return encode({ status, headers: { 'Content-Type': 'text/plain' }, value: `${text}\n` });
}

async function answer(handler, event) {
  try {
    return encode(await call(handler, event));
  } catch (error) {
    if (error instanceof NotJson) return failure(400, error.message);
    console.error(error);
    return failure(500, 'Internal Server Error');
  }
}

async function readBody(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces);
}

function createServer(handler) {
  const limits = { headersTimeout: 0, keepAliveTimeout: 0, maxHeaderSize: 1 << 20, requestTimeout: 0 }; // 0: none
  const server = http.createServer({ ...limits, joinDuplicateHeaders: true });
  server.maxHeadersCount = 0;

  server.on('request', async (request, response) => {
    let content;
    try {
      content = await readBody(request);
    } catch {
      return; // the caller has gone
    }
    const { status, fields, body } = await answer(handler, new Event(request, content));
    if (!server.listening) fields.push(['Connection', 'close']);
    response.writeHead(status, fields.flat()).end(body);
  });
  return server;
}

// At the first signal nothing new is accepted, and the process ends with the last call that is under way.
function stopOnSignals(server) {
  let calls = 0;
  let stopping = false;
  const endWhenIdle = () => {
    if (stopping && calls === 0) process.exit(0);
  };
  const stop = () => {
    stopping = true;
    server.close();
    endWhenIdle();
  };

  server.on('request', (request, response) => {
    calls += 1;
    response.on('close', () => {
      calls -= 1;
      endWhenIdle();
    });
  });
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

// What listen() wants for http://HOST:PORT or http+unix:///PATH.
function address(text) {
  const url = new URL(text);
  const path = decodeURIComponent(url.pathname);
  if (url.protocol === 'http+unix:' && !url.host && path.length > 1) return { path };
  if (url.protocol === 'http:') return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 80) };
  throw new Error('not http://HOST:PORT or http+unix:///PATH');
}

function listen(server, text = '') {
  const refuse = (error) => {
    console.error(`index.js: cannot listen at upstream_url="${text}": ${error.message}`);
    process.exit(1);
  };
  server.on('error', (error) => (server.listening ? console.error(error) : refuse(error)));
  try {
    const where = address(text);
    if (where.path) fs.rmSync(where.path, { force: true }); // of an earlier run
    server.listen({ ...where, backlog: 4096 });
  } catch (error) {
    refuse(error);
  }
}

async function main() {
  const { default: handler } = await import('./function/handler.js'); // CommonJS or an ES module
  if (typeof handler !== 'function') throw new TypeError('function/handler.js exports no function');

  // A promise that a handler has forgotten must not end the calls of others. What is thrown where nobody can catch it
  // leaves the process in an unknown state, and ends it, as Node does it.
  process.on('unhandledRejection', (reason) => console.error('unhandled rejection:', reason));

  const server = createServer(handler);
  stopOnSignals(server);
  listen(server, process.env.upstream_url);
}

main();
