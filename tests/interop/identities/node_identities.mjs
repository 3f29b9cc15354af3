// Verifies the tokens of standard input, a JSON array, with the program of the page, which is beside this one.
import { text } from "node:stream/consumers";
import { client } from "./page.mjs";

async function verified(token) {
  try {
    const { sub, auth_method } = await client(token);
    return `${sub} ${auth_method}`;
  } catch {
    return null;
  }
}

const answers = [];
for (const token of JSON.parse(await text(process.stdin))) answers.push(await verified(token));
console.log(JSON.stringify(answers));
