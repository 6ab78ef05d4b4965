// llama.cpp by node-llama-cpp: node infer_llama.mjs MODEL.gguf PREFILL START DECODE
// prints "prefill RATE" and "decode RATE" (tokens a second of CPU time, one thread).
import {getLlama} from "node-llama-cpp";

const [path, ...numbers] = process.argv.slice(2);
const [prefill, start, decode] = numbers.map(Number);
const llama = await getLlama({gpu: false, build: "never", maxThreads: 1, logLevel: "error"});
const model = await llama.loadModel({modelPath: path});
const context = await model.createContext({contextSize: prefill + 64, batchSize: prefill, threads: 1});
const sequence = context.getSequence();
const ids = Array.from({length: prefill}, (_, i) => (i * 7919 + 13) % 32000);
const seconds = (since) => { const t = process.cpuUsage(since); return (t.user + t.system) / 1e6; };

await sequence.evaluateWithoutGeneratingNewTokens(ids.slice(0, 64));
await sequence.clearHistory();
let since = process.cpuUsage();
await sequence.evaluateWithoutGeneratingNewTokens(ids);
console.log("prefill", prefill / seconds(since));
await sequence.clearHistory();
let n = 0;
for await (const token of sequence.evaluate(ids.slice(0, start), {temperature: 0, yieldEogTokens: true})) {
    if (++n === start)
        since = process.cpuUsage();
    if (n === start + decode)
        break;
}
console.log("decode", decode / seconds(since));
process.exit(0);
