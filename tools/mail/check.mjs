// Verifies the signatures of the mails in a folder with mailauth, and reads the mails with
// mailparser: check.mjs FOLDER. What they should be is in records.json and expected.json.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { simpleParser } from 'mailparser';

const folder = process.argv[2];
const read = name => JSON.parse(fs.readFileSync(path.join(folder, name)));
const records = read('records.json');
const resolver = async (name, type) => {
  if (type === 'TXT' && records[name]) return [[records[name]]];
  throw Object.assign(new Error(`no record ${type} ${name}`), { code: 'ENOTFOUND' });
};

for (const want of read('expected.json')) {
  const raw = fs.readFileSync(path.join(folder, want.file));
  const { results } = await dkimVerify(raw, { resolver });
  assert.deepEqual(results.map(r => [r.algo, r.signingDomain, r.status.result]),
    [['rsa-sha256', 'shop.test', 'pass'], ['ed25519-sha256', 'shop.test', 'pass']], want.file);

  const changed = Buffer.from(raw.toString('latin1').replace(/^Message-ID: </m, 'Message-ID: <x'), 'latin1');
  for (const r of (await dkimVerify(changed, { resolver })).results) assert.notEqual(r.status.result, 'pass', `${want.file}, changed`);

  const mail = await simpleParser(raw, { skipTextToHtml: true });
  assert.equal(mail.subject, want.subject, want.file);
  assert.deepEqual(mail.from.value, [{ name: want.sender, address: 'hello@shop.test' }], want.file);
  assert.deepEqual(mail.to.value, [{ name: '', address: want.to }], want.file);
  assert.match(mail.messageId, /^<[0-9a-f-]{36}@shop\.test>$/);
  for (const part of want.contains) {
    assert.ok(mail.text.includes(part), `${want.file}: the text has no ${part}`);
    assert.ok(mail.html.includes(part.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll("'", '&#39;').replaceAll('"', '&#34;')), `${want.file}: the HTML has no ${part}`);
  }
  for (const text of [mail.subject, mail.text, mail.html]) assert.ok(!text.includes('=?') && !text.includes('\ufffd'), `${want.file}: a raw encoded word, or half a character`);
  assert.equal(mail.headers.get('list')?.['unsubscribe-post']?.name, want.unsubscribe ? 'List-Unsubscribe=One-Click' : undefined, want.file);
  for (const line of raw.toString('latin1').split('\r\n')) assert.ok(line.length <= 998 && !/[\r\n]/.test(line), `${want.file}: a line that is too long, or a bare line feed`);
  assert.ok(!/[\x80-\xff]/.test(raw.toString('latin1')), `${want.file}: bytes that are not ASCII`);
  console.log(`${want.file}: ${mail.subject}`);
}
