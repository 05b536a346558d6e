// The load of load.go for BullMQ, which only JavaScript can speak to: node bullmq.js VERB PORT ARGUMENTS, both as JSON.
const { Worker: Thread } = require('node:worker_threads')
const { setTimeout: sleep } = require('node:timers/promises')
const { Queue, Worker } = require('bullmq')

const CALLERS = 64
const BATCH_CALLERS = 8
const STALLED_MS = 10_000 // without a move: the rest counts as lost
const UNSENT = -1 // in the place of a start
const PAD = 'x'.repeat(200 - '{"job":"000000000000","pad":""}'.length)

const [verb, port, text] = process.argv.slice(2)
const connection = { host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null }
const options = { removeOnComplete: true }
const queue = new Queue('jobs', { connection })
const now = () => Number(process.hrtime.bigint()) / 1e6 // ms, the same in every thread
const data = job => ({ job: String(job).padStart(12, '0'), pad: PAD })

async function enqueue({ size, first, jobs, limitMs }) {
  let next = 0
  const begin = now()
  await Promise.all(Array.from({ length: size === 1 ? CALLERS : BATCH_CALLERS }, async () => {
    while (now() - begin < limitMs && next < jobs) {
      const job = first + next
      next += size
      if (size === 1) await queue.add('noop', data(job), options)
      else await queue.addBulk(Array.from({ length: size }, (_, i) => ({ name: 'noop', data: data(job + i), opts: options })))
    }
  }))
  return { acked: next, ms: now() - begin }
}

// Works until every job is settled or nothing moves.
function startWorker(first, jobs) {
  const ledger = { startedAt: new Array(jobs).fill(0), wanted: jobs, twice: 0, different: 0, settled: 0, last: now() }
  const worker = new Worker('jobs', async job => {
    const n = Number(job.data.job) - first
    if (ledger.startedAt[n] > 0) ledger.twice++
    else {
      ledger.startedAt[n] = now()
      ledger.different++
    }
  }, { connection, concurrency: CALLERS })
  worker.on('completed', () => { ledger.settled++; ledger.last = now() }) // after the job is removed
  ledger.withdraw = n => { ledger.startedAt[n] = UNSENT; ledger.wanted-- }
  ledger.wait = async () => {
    ledger.last = now()
    while (Math.min(ledger.settled, ledger.different) < ledger.wanted && now() - ledger.last < STALLED_MS) await sleep(1)
    await worker.close()
  }
  ledger.counts = () => ({ Jobs: ledger.wanted, Lost: ledger.wanted - ledger.different, Duplicates: ledger.twice })
  ledger.ready = worker.waitUntilReady()
  return ledger
}

async function drain({ first, jobs }) {
  const ledger = startWorker(first, jobs)
  await ledger.wait()
  const begin = ledger.startedAt.reduce((least, at) => (at > 0 ? Math.min(least, at) : least), ledger.last)
  return { ms: ledger.last - begin, counts: ledger.counts() }
}

async function open({ rate, first, jobs, limitMs }) {
  const ledger = startWorker(first, jobs)
  await ledger.ready
  await sleep(1000)
  const due = []
  const free = [] // callers that wait for a job
  const wake = () => free.shift()?.()
  const pacer = new Thread(PACER, { eval: true, workerData: { rate, jobs } })
  const begin = await new Promise(resolve => pacer.on('message', ({ begin, job }) => {
    if (begin) return resolve(begin)
    due.push(job)
    wake()
  }))
  const late = (at, n) => at - begin - n * 1000 / rate
  const ackedMs = new Array(jobs)
  let taken = 0
  await Promise.all(Array.from({ length: CALLERS }, async () => {
    while (taken < jobs) {
      if (taken === due.length) {
        await new Promise(resolve => free.push(resolve))
        continue
      }
      const n = due[taken++]
      if (now() - begin < limitMs) await queue.add('noop', data(first + n), options)
      else ledger.withdraw(n)
      ackedMs[n] = late(now(), n)
      if (taken === jobs) while (free.length > 0) wake()
    }
  }))
  await ledger.wait()
  const startedMs = ledger.startedAt.map((at, n) => (at === UNSENT ? ackedMs[n] : late(at, n))).filter((_, n) => ledger.startedAt[n] !== 0)
  return { AckedMs: ackedMs, StartedMs: startedMs, Counts: ledger.counts() }
}

// Timers of the main thread wait whole milliseconds; a thread that sleeps is exact.
const PACER = `
const { parentPort, workerData: { rate, jobs } } = require('node:worker_threads')
const cell = new Int32Array(new SharedArrayBuffer(4))
const now = () => Number(process.hrtime.bigint()) / 1e6
const begin = now()
parentPort.postMessage({ begin })
for (let job = 0; job < jobs; job++) {
  const due = begin + job * 1000 / rate
  for (let left = due - now(); left > 0; left = due - now()) Atomics.wait(cell, 0, 0, left)
  parentPort.postMessage({ job })
}`

async function left() {
  const counts = await queue.getJobCounts()
  return { left: Object.values(counts).reduce((sum, n) => sum + n, 0) }
}

async function main() {
  await queue.waitUntilReady()
  const result = await { enqueue, drain, open, left }[verb](JSON.parse(text))
  await queue.close()
  process.stdout.write(JSON.stringify(result), () => process.exit(0))
}

main().catch(error => {
  console.error(error)
  process.exit(1)
})
