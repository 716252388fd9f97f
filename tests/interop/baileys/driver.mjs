// An unmodified Baileys client, driven over JSON lines.
//
// Started as: node driver.mjs --url ws://127.0.0.1:PORT/ws/chat --auth DIR [--phone DIGITS [--custom-code CODE]]
// Standard output: one JSON object per line with a member `event`:
//   qr {code} · code {code} · open {me} · close {status} · message {id, chat, sender, from_me, text, type}
//   sent {ref, id} · failed {ref, error} · receipt {id, status} · stopped {}
// Standard input: one JSON object per line with a member `do`:
//   send {ref, to, text} · group {ref, subject, members} · stop {}
// Everything that libraries print goes to standard error: one of them prints key material.

import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'

console.log = console.info = console.warn = console.debug = console.error

const { makeWASocket, useMultiFileAuthState, Browsers } = await import('@whiskeysockets/baileys')
const { default: pino } = await import('pino')

const { values: options } = parseArgs({
  options: {
    url: { type: 'string' },
    auth: { type: 'string' },
    phone: { type: 'string' },
    'custom-code': { type: 'string' },
    log: { type: 'string', default: 'silent' },
  },
})

const say = (event, rest = {}) => process.stdout.write(`${JSON.stringify({ event, ...rest })}\n`)
const { state, saveCreds } = await useMultiFileAuthState(options.auth)
const logger = pino({ level: options.log }, pino.destination(2))

const RESTART_REQUIRED = 515
const RETRY_MS = 250

const sent = new Map()
const writes = new Set()
let socket
let stopping = false
let askedForCode = false

// Files are written behind the library's back; an orderly end waits for them.
function tracked(write) {
  const settled = Promise.resolve(write).catch((error) => console.error(error))
  writes.add(settled)
  settled.then(() => writes.delete(settled))
  return write
}

const setKeys = state.keys.set
state.keys.set = (data) => tracked(setKeys(data))

function textOf(message) {
  const m = message?.ephemeralMessage?.message ?? message
  return m?.conversation ?? m?.extendedTextMessage?.text ?? null
}

function start() {
  socket = makeWASocket({
    auth: state,
    waWebSocketUrl: options.url,
    logger,
    browser: Browsers.ubuntu('Chrome'),
    shouldSyncHistoryMessage: () => false,
    getMessage: async (key) => sent.get(key.id),
  })
  socket.ev.on('creds.update', () => tracked(saveCreds()))
  socket.ev.on('connection.update', onConnection)
  socket.ev.on('messages.upsert', ({ messages, type }) => {
    for (const message of messages) {
      say('message', {
        id: message.key.id,
        chat: message.key.remoteJid,
        sender: message.key.participant ?? message.key.remoteJid,
        from_me: message.key.fromMe ?? false,
        text: textOf(message.message),
        type,
      })
    }
  })
  socket.ev.on('messages.update', (updates) => {
    for (const { key, update } of updates) {
      if (update.status != null) say('receipt', { id: key.id, status: update.status })
    }
  })
}

async function onConnection({ connection, qr, lastDisconnect }) {
  if (qr) {
    say('qr', { code: qr })
    if (options.phone && !askedForCode) {
      askedForCode = true
      try {
        say('code', { code: await socket.requestPairingCode(options.phone, options['custom-code']) })
      } catch (error) {
        say('failed', { ref: 'code', error: String(error) })
      }
    }
  }
  if (connection === 'open') say('open', { me: state.creds.me })
  if (connection === 'close') {
    const status = lastDisconnect?.error?.output?.statusCode ?? null
    say('close', { status })
    // 401: unlinked, 440: replaced; both are final, as in any Baileys application.
    if (stopping || status === 401 || status === 440) return
    setTimeout(start, status === RESTART_REQUIRED ? 0 : RETRY_MS)
  }
}

async function stop() {
  stopping = true
  socket.ev.flush()
  socket.end(undefined)
  while (writes.size > 0) await Promise.allSettled([...writes])
  say('stopped')
  process.exit(0)
}

async function handle({ do: what, ref, ...rest }) {
  try {
    if (what === 'send') {
      const result = await socket.sendMessage(rest.to, { text: rest.text })
      sent.set(result.key.id, result.message)
      say('sent', { ref, id: result.key.id })
    } else if (what === 'group') {
      const group = await socket.groupCreate(rest.subject, rest.members)
      say('sent', { ref, id: group.id })
    } else if (what === 'stop') {
      await stop()
    } else {
      say('failed', { ref, error: `unknown command ${what}` })
    }
  } catch (error) {
    say('failed', { ref, error: String(error) })
  }
}

start()
const lines = createInterface({ input: process.stdin })
lines.on('line', (line) => handle(JSON.parse(line)))
lines.on('close', () => process.exit(0))
