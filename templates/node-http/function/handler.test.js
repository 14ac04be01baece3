'use strict';

const assert = require('node:assert');
const test = require('node:test');
const handler = require('./handler');

test('greets who is named', async () => {
  assert.equal(await handler({ query: { name: 'moon' } }), 'Hello, moon!\n');
});
