'use strict';

// body: the request's body, a Buffer
// context: method, path, query, headers
// Return text, a Buffer, or anything that JSON.stringify() takes.
module.exports = async (body, context) => `Hello! You said: ${body}`;
