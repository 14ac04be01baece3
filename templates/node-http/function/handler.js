'use strict';

// event: method, path, query, headers, body (a Buffer), text(), json()
// context: status(code), headers(object), succeed(value), fail(reason), hostname, callId
// Return text, a Buffer, or anything that JSON.stringify() takes.
module.exports = async (event, context) => {
  const name = event.query.name ?? 'world';
  return `Hello, ${name}!\n`;
};
