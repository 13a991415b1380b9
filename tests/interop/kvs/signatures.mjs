// SPDX-License-Identifier: MPL-2.0
// Addresses signed by the vendor's SigV4RequestSigner, for the tests to compare with.
//
//   node signatures.mjs           writes signatures.json
//   node signatures.mjs --check   fails when the library signs differently from what is written there
import { readFileSync, writeFileSync } from "node:fs";

import { loadLibrary } from "./library.mjs";

const { SigV4RequestSigner } = loadLibrary();
const golden = new URL("signatures.json", import.meta.url);

const REGIONS = ["eu-west-1", "us-east-1", "ap-southeast-2", "us-gov-west-1"];
const AUTHORITIES = ["localhost:8443", "m-0a1b2c3d.kinesisvideo.eu-west-1.amazonaws.com", "v-1.example.com:444"];
const CHANNELS = ["demo", "a", "with.dots_and-dashes", "x".repeat(256)];
const CLIENTS = [undefined, "viewer-1", "a.b_c-d", "9".repeat(256)];
const TOKENS = [undefined, "TOKEN/+==", `FwoGZXIvYXdzE${"aB3/+".repeat(60)}==`];
const SECRETS = ["SECRETEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"];
const CASES = 32;

/** Each list is walked at its own pace, so that every value meets many others. */
function inputs(index) {
  const pick = (list, stride) => list[Math.floor(index / stride) % list.length];
  const region = pick(REGIONS, 1);
  return {
    authority: pick(AUTHORITIES, 1),
    region,
    arn: `arn:aws:kinesisvideo:${region}:123456789012:channel/${pick(CHANNELS, 2)}/${1700000000000 + index * 7919}`,
    clientId: pick(CLIENTS, 3),
    keyId: index % 2 ? "AKIDEXAMPLE" : "ASIAIOSFODNN7EXAMPLE",
    secret: pick(SECRETS, 5),
    token: pick(TOKENS, 4),
    // Midnights, leap days and the turn of years are among them.
    time: Date.UTC(2023 + (index % 5), (index * 5) % 12, 1 + ((index * 28) % 31), index % 24, 59, 59) / 1000,
  };
}

async function signed(input) {
  const credentials = { accessKeyId: input.keyId, secretAccessKey: input.secret, sessionToken: input.token };
  const query = { "X-Amz-ChannelARN": input.arn };
  if (input.clientId) query["X-Amz-ClientId"] = input.clientId;
  const signer = new SigV4RequestSigner(input.region, credentials);
  const url = await signer.getSignedURL(`wss://${input.authority}`, query, new Date(input.time * 1000));
  return { ...input, url };
}

const cases = await Promise.all(Array.from({ length: CASES }, (_, index) => signed(inputs(index))));
const text = `${JSON.stringify(cases, undefined, 1)}\n`;
if (process.argv.includes("--check")) {
  if (readFileSync(golden, "utf8") !== text) {
    console.error("the library signs differently from what signatures.json says");
    process.exit(1);
  }
  console.log(`${cases.length} signatures are those of the library`);
} else {
  writeFileSync(golden, text);
}
