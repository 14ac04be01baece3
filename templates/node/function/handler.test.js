'use strict';

const assert = require('node:assert');
const test = require('node:test');
const handler = require('./handler');

test('repeats what was said', async () => {
  assert.equal(await handler(Buffer.from('good morning'), {}), 'Hello! You said: good morning');
});
