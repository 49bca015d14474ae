// Verifies what hangs on an image as sigstore bundles, with sigstore's
// JavaScript libraries:
//
//   reader.mjs verify --key PUB --kind signature|attestation [--type T] IMAGE
//
// The libraries parse and verify a bundle and know nothing of registries; the
// few requests here are what the OCI distribution specification asks of a client
// that lists referrers (plain HTTP, one page). They choose the key by the hint of
// the bundle, so the hint is verified as well.

import { createHash, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { bundleFromJSON } from '@sigstore/bundle';
import { Verifier, toSignedEntity, toTrustMaterial } from '@sigstore/verify';

const BUNDLE = 'application/vnd.dev.sigstore.bundle';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const SIGNATURE = 'https://sigstore.dev/cosign/sign/v1';

/** Fetches a resource; undefined if there is none. */
async function get(url, accept) {
  const answer = await fetch(url, { headers: { accept } });
  if (answer.status === 404) return undefined;
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return Buffer.from(await answer.arrayBuffer());
}

/** The descriptors that the referrers API lists, or else the fallback tag. */
async function referrers(base, digest) {
  const index =
    (await get(`${base}/referrers/${digest}`, INDEX)) ??
    (await get(`${base}/manifests/${digest.replace(':', '-')}`, INDEX));
  return index === undefined ? [] : JSON.parse(index).manifests;
}

/** The bytes of every bundle that refers to the image. */
async function bundles(base, digest) {
  const found = [];
  for (const descriptor of await referrers(base, digest)) {
    // As cosign does: some registries list another artifact type.
    const manifest = JSON.parse(await get(`${base}/manifests/${descriptor.digest}`, MANIFEST));
    const [layer] = manifest.layers;
    if (!layer.mediaType.startsWith(BUNDLE)) continue;
    found.push(await get(`${base}/blobs/${layer.digest}`, '*/*'));
  }
  return found;
}

/** Throws unless the bundle is of this type and image, signed with this key. */
function verify(json, digest, type, trust) {
  const bundle = bundleFromJSON(JSON.parse(json));
  const thresholds = { ctlogThreshold: 0, tlogThreshold: 0, timestampThreshold: 0 };
  new Verifier(trust, thresholds).verify(toSignedEntity(bundle));
  const statement = JSON.parse(bundle.content.dsseEnvelope.payload);
  if (statement.predicateType !== type) throw new Error(`it is a ${statement.predicateType}`);
  const [algorithm, hex] = digest.split(':');
  if (!statement.subject.some((subject) => subject.digest[algorithm] === hex)) {
    throw new Error('it is about another image');
  }
}

/** The key, to be found by the hint that cosign gives it. */
function trustOf(path) {
  const key = createPublicKey(readFileSync(path)).export({ type: 'spki', format: 'der' });
  const hint = createHash('sha256').update(key).digest('base64');
  const root = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [] };
  return toTrustMaterial(root, { [hint]: { rawBytes: key } });
}

async function main() {
  const text = { type: 'string' };
  const { values, positionals } = parseArgs({
    options: { key: text, kind: text, type: text },
    allowPositionals: true,
  });
  const [, host, repository, digest] = /^([^/]+)\/(.+)@(.+)$/.exec(positionals[1]);
  const type = values.kind === 'signature' ? SIGNATURE : values.type;
  const trust = trustOf(values.key);
  const reasons = [];
  for (const json of await bundles(`http://${host}/v2/${repository}`, digest)) {
    try {
      verify(json, digest, type, trust);
      return;
    } catch (error) {
      reasons.push(error.message);
    }
  }
  throw new Error(reasons.length === 0 ? 'no bundles' : reasons.join('; '));
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
