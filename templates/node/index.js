'use strict';

// One call of function/handler.js: the request's body on stdin, the answer on stdout, everything else on stderr.

const { Console } = require('node:console');
const querystring = require('node:querystring');

globalThis.console = new Console(process.stderr); // what the handler logs is no part of the answer

// fwatchdog gives the request as Http_ variables; "_" in the name of a field was "-".
function context(env) {
  const { Http_Method, Http_Path, Http_Query = '', ...others } = env;
  const fields = Object.entries(others).filter(([name]) => name.startsWith('Http_'));
  return {
    method: Http_Method,
    path: Http_Path,
    query: querystring.parse(Http_Query, '&', '=', { maxKeys: 0 }),
    headers: Object.fromEntries(fields.map(([name, value]) => [name.slice(5).replaceAll('_', '-').toLowerCase(), value])),
  };
}

async function read(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

function encode(value) {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string' || value instanceof Uint8Array) return value;
  const text = JSON.stringify(value);
  if (text === undefined) throw new TypeError(`cannot be sent: a ${typeof value}`);
  return text;
}

async function main() {
  const { default: handler } = await import('./function/handler.js'); // CommonJS or an ES module
  const body = await read(process.stdin);
  const answer = encode(await handler(body, context(process.env)));
  process.stdout.write(answer, () => process.exit()); // timers and idle connections are not waited for
}

main();
