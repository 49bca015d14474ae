// Verifies what hangs on an image as sigstore bundles, with sigstore's
// JavaScript libraries:
//
//   reader.mjs verify --key PUB|--identity NAME [--issuer URL] --kind signature|attestation
//     [--type T] [--trusted-root FILE] [--demand log|timestamp]... IMAGE
//
// Without `--issuer` no promise of a certificate log is wanted either.
//
// The libraries parse and verify a bundle and know nothing of registries; the
// few requests here are what the OCI distribution specification asks of a client
// that lists referrers (plain HTTP, one page). They choose the key by the hint of
// the bundle, so the hint is verified as well.

import { createHash, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
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

/** Throws unless the bundle is of this type and image, and signed as the policy says. */
function verify(json, digest, type, trust, values) {
  const bundle = bundleFromJSON(JSON.parse(json));
  const demanded = (what) => ((values.demand ?? []).includes(what) ? 1 : 0);
  const thresholds = {
    ctlogThreshold: values.issuer === undefined ? 0 : 1,
    tlogThreshold: demanded('log'),
    timestampThreshold: demanded('timestamp'),
  };
  new Verifier(trust, thresholds).verify(toSignedEntity(bundle), policyOf(values));
  const statement = JSON.parse(bundle.content.dsseEnvelope.payload);
  if (statement.predicateType !== type) throw new Error(`it is a ${statement.predicateType}`);
  const [algorithm, hex] = digest.split(':');
  if (!statement.subject.some((subject) => subject.digest[algorithm] === hex)) {
    throw new Error('it is about another image');
  }
}

/** Who must be named in the certificate; nothing where a key is given. */
function policyOf({ identity, issuer }) {
  if (identity === undefined) return undefined;
  const name = identity.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const policy = { subjectAlternativeName: `^${name}$` };
  return issuer === undefined ? policy : { ...policy, extensions: { issuer } };
}

/** Whose word counts; a key is found by the hint that cosign gives it. */
function trustOf(values) {
  const nobody = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [] };
  const path = values['trusted-root'];
  const root = path === undefined ? nobody : TrustedRoot.fromJSON(JSON.parse(readFileSync(path)));
  if (values.key === undefined) return toTrustMaterial(root);
  const key = createPublicKey(readFileSync(values.key)).export({ type: 'spki', format: 'der' });
  const hint = createHash('sha256').update(key).digest('base64');
  return toTrustMaterial(root, { [hint]: { rawBytes: key } });
}

async function main() {
  const text = { type: 'string' };
  const { values, positionals } = parseArgs({
    options: {
      key: text,
      kind: text,
      type: text,
      identity: text,
      issuer: text,
      'trusted-root': text,
      demand: { type: 'string', multiple: true },
    },
    allowPositionals: true,
  });
  const [, host, repository, digest] = /^([^/]+)\/(.+)@(.+)$/.exec(positionals[1]);
  const type = values.kind === 'signature' ? SIGNATURE : values.type;
  const trust = trustOf(values);
  const reasons = [];
  for (const json of await bundles(`http://${host}/v2/${repository}`, digest)) {
    try {
      verify(json, digest, type, trust, values);
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
