// A message centre for tests: the SMPP server of the npm package `smpp`, and rules that a test sets while it runs.
//
// Reads one JSON command a line from stdin, answers each with one JSON line on stdout. The first line it writes says the
// port: {"port": 40123}. Ends with its stdin. Commands are the functions of `commands` below; where to read next:
// `centre.py`, which starts it and speaks for tests.
'use strict';

const fs = require('fs');
const readline = require('readline');
const smpp = require('smpp');

const rules = {
  systemId: 'clarion',
  password: 'secret',
  bindStatus: 0, // refuses every bind with this status
  binds: 1000, // sessions at a time; one more is refused with ESME_RALYBND
  perSecond: 0, // submits a second; more are refused with ESME_RTHROTTLED; 0 is no limit
  delayMs: 0, // before each answer
  isSilent: false, // answers nothing any more, to whatever
  // By the beginning of the destination: {"status": 11}, {"silent": true} or {"drop": true}; with {"skip": 1} not for the
  // first submit, with {"times": 2} for so many.
  fates: {},
  receipts: null, // "DELIVRD" and the like; null sends none
  receiptStates: {}, // by the beginning of the destination, where it differs
  ids: 'decimal', // or 'hex': how answers write ids; receipts write them in decimals
};
const defaults = { ...rules };
const receiptWindow = 100;

const sessions = new Set();
const submits = []; // of each: destination, source, text, and what a test may want to see; kept unless told otherwise
let keeps = true;
const counts = new Map(); // by destination, header and text: how often it was taken
let binds = 0, taken = 0, refused = 0, acknowledged = 0, redelivered = 0, enquiries = 0, unbinds = 0;
let firstAt = 0, lastAt = 0; // when the first and the last was taken, in milliseconds
let bucket = 0, bucketAt = Date.now();
let lastId = 1000;

// Receipts go to any session, some at a time; those not acknowledged when a session ends go to another.
const waiting = [];
let pumping = false;

function pumpReceipts() {
  pumping = false;
  for (const session of sessions) {
    while (waiting.length && session.bound && session.outstanding.size < receiptWindow) deliver(session, waiting.shift());
  }
}

function wakeReceipts() {
  if (!pumping) { pumping = true; setImmediate(pumpReceipts); }
}

function deliver(session, item) {
  session.outstanding.add(item);
  session.deliver_sm({ ...item.pdu }, (answer) => {
    if (!session.outstanding.delete(item)) return;
    if (answer.command_status === 0) {
      acknowledged++;
      if (item.done) item.done(0);
    } else if (item.done) {
      item.done(answer.command_status);
    } else {
      redelivered++;
      setTimeout(() => { waiting.push(item); wakeReceipts(); }, 100);
    }
    if (waiting.length) wakeReceipts();
  });
}

function stamp(date) {
  return date.toISOString().replace(/[-:T]/g, '').slice(2, 12);
}

function startsWith(table, destination) {
  for (const start in table) if (destination.startsWith(start)) return table[start];
  return undefined;
}

function receiptOf(id, pdu) {
  const stat = startsWith(rules.receiptStates, pdu.destination_addr) || rules.receipts;
  const now = stamp(new Date());
  const delivered = stat === 'DELIVRD' ? '001' : '000';
  const text = `id:${id} sub:001 dlvrd:${delivered} submit date:${now} done date:${now} stat:${stat} err:000 text:`;
  return {
    pdu: {
      source_addr_ton: 1, source_addr_npi: 1, source_addr: pdu.destination_addr, destination_addr: pdu.source_addr,
      esm_class: 4, short_message: Buffer.from(text, 'latin1'),
    },
  };
}

function isTooFast() {
  if (!rules.perSecond) return false;
  const now = Date.now();
  bucket = Math.min(rules.perSecond / 10, bucket + (now - bucketAt) / 1000 * rules.perSecond);
  bucketAt = now;
  if (bucket < 1) return true;
  bucket -= 1;
  return false;
}

function textOf(pdu) {
  const whole = pdu.short_message.message || pdu.short_message || '';
  const text = whole.length ? whole : (pdu.message_payload && (pdu.message_payload.message || pdu.message_payload)) || '';
  return Buffer.isBuffer(text) ? text.toString('hex') : text;
}

function onSubmit(session, pdu) {
  const fate = startsWith(rules.fates, pdu.destination_addr) || {};
  const applies = !(fate.skip > 0 && fate.skip-- > 0) && (fate.times === undefined || fate.times-- > 0);
  if (applies && fate.status) return refuse(session, pdu, fate.status);
  if (isTooFast()) return refuse(session, pdu, smpp.ESME_RTHROTTLED);
  const udh = pdu.short_message.udh ? Buffer.concat(pdu.short_message.udh).toString('hex') : '';
  const text = textOf(pdu);
  const key = `${pdu.destination_addr} ${udh} ${pdu.sar_segment_seqnum || ''} ${text}`;
  counts.set(key, (counts.get(key) || 0) + 1);
  taken++;
  lastAt = Date.now();
  firstAt = firstAt || lastAt;
  const id = ++lastId;
  if (keeps) {
    submits.push({
      destination: pdu.destination_addr, source: pdu.source_addr, text, udh, id: String(id), coding: pdu.data_coding,
      tons: [pdu.source_addr_ton, pdu.source_addr_npi, pdu.dest_addr_ton, pdu.dest_addr_npi], esmClass: pdu.esm_class,
      sar: [pdu.sar_msg_ref_num, pdu.sar_total_segments, pdu.sar_segment_seqnum], registered: pdu.registered_delivery,
    });
  }
  if (applies && fate.drop) return session.destroy();
  if (applies && fate.silent) return undefined;
  answer(session, pdu.response({ message_id: rules.ids === 'hex' ? id.toString(16).toUpperCase().padStart(8, '0') : String(id) }));
  if (rules.receipts) { waiting.push(receiptOf(id, pdu)); wakeReceipts(); }
  return undefined;
}

function refuse(session, pdu, status) {
  refused++;
  answer(session, pdu.response({ command_status: status }));
}

function answer(session, pdu) {
  if (rules.delayMs) setTimeout(() => session.send(pdu), rules.delayMs);
  else session.send(pdu);
}

function onBind(session, pdu) {
  let status = rules.bindStatus;
  if (!status && [...sessions].filter((one) => one.bound).length >= rules.binds) status = smpp.ESME_RALYBND;
  if (!status && (pdu.system_id !== rules.systemId || pdu.password !== rules.password)) status = smpp.ESME_RINVPASWD;
  session.send(pdu.response(status ? { command_status: status } : { system_id: 'centre' }));
  if (status) return;
  binds++;
  session.bound = true;
  wakeReceipts();
}

function onSession(session) {
  session.outstanding = new Set();
  sessions.add(session);
  session.socket.setNoDelay(true);
  session.on('error', () => session.destroy());
  session.on('close', () => {
    sessions.delete(session);
    for (const item of session.outstanding) {
      if (item.done) item.done(-1); else waiting.push(item);
    }
    session.outstanding.clear();
    wakeReceipts();
  });
  const heard = { bind_transceiver: onBind, submit_sm: onSubmit };
  for (const name in heard) {
    session.on(name, (pdu) => { if (!rules.isSilent) heard[name](session, pdu); });
  }
  session.on('enquire_link', (pdu) => { enquiries++; if (!rules.isSilent) session.send(pdu.response()); });
  session.on('unbind', (pdu) => { unbinds++; session.bound = false; session.send(pdu.response()); session.close(); });
}

const commands = {
  reset() { Object.assign(rules, defaults, { fates: {}, receiptStates: {} }); keeps = true; return commands.forget(); },
  set(changes) { Object.assign(rules, changes); return {}; },
  keep(yes) { keeps = yes; return {}; },
  counts() {
    const most = Math.max(0, ...new Set(counts.values()));
    return { binds, open: [...sessions].filter((one) => one.bound).length, taken, refused, distinct: counts.size, most,
      firstAt, lastAt, acknowledged, redelivered, receiptsWaiting: waiting.length, enquiries, unbinds };
  },
  submits() { return submits; },
  destinations() { return [...counts].map(([key, times]) => [key.split(' ', 1)[0], times]); },
  forget() {
    submits.length = waiting.length = 0;
    counts.clear();
    firstAt = lastAt = binds = taken = refused = acknowledged = redelivered = enquiries = unbinds = 0;
    return {};
  },
  drop() { const n = sessions.size; for (const session of sessions) session.destroy(); return { dropped: n }; },
  deliver(pdu) {
    return new Promise((done) => {
      const session = [...sessions].find((one) => one.bound);
      if (!session) { done({ status: -1 }); return; }
      const fields = { ...pdu };
      for (const key of ['short_message', 'message_payload', 'network_error_code']) {
        if (key in fields) fields[key] = Buffer.from(fields[key], 'hex');
      }
      deliver(session, { pdu: fields, done: (status) => done({ status }) });
    });
  },
  write(hex) { for (const session of sessions) session.socket.write(Buffer.from(hex, 'hex')); return {}; },
  ask(name) {
    return new Promise((done) => {
      const session = [...sessions].find((one) => one.bound);
      session[name]({}, (answer) => done({ command: answer.command, status: answer.command_status }));
    });
  },
};

function main() {
  const [certificate, key] = process.argv.slice(2);
  const options = certificate ? { cert: fs.readFileSync(certificate), key: fs.readFileSync(key) } : {};
  const server = smpp.createServer(options, onSession);
  const say = (value) => process.stdout.write(JSON.stringify(value) + '\n');
  server.listen(0, '127.0.0.1', () => say({ port: server.address().port }));
  const lines = readline.createInterface({ input: process.stdin });
  let before = Promise.resolve();
  lines.on('line', (line) => {
    const { name, value } = JSON.parse(line);
    before = before.then(async () => say(await commands[name](value)));
  });
  lines.on('close', () => process.exit(0));
}

main();
