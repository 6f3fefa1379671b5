// Plays a scenario with the AI SDK's own chat and transport, and prints what they made of it.
//
// Standard input: {"api", "token", "chat", "steps": [...]}, where a step is
//   {"do": "send", "text", "body"?}   ask, and read the answer to its end
//   {"do": "cut", "text", "deltas"}   ask, and lose the connection after so many pieces of text
//   {"do": "leave", "text", "deltas"} ask, and stop reading after so many pieces of text
//   {"do": "resume"}                  take up the answer that is being written, if there is one
//   {"do": "regenerate"}              ask the last question again
//   {"do": "edit", "text"}            ask something else in the place of the first question
//   {"do": "reopen"}                  a new chat of the same id, as after a page was reloaded
// Standard output: after each step the chat's status, error, messages and how the answer ended.

import { AbstractChat, DefaultChatTransport } from "ai";

class MemoryState {
  status = "ready";
  error = undefined;
  messages = [];
  pushMessage = (message) => {
    this.messages = [...this.messages, message];
  };
  popMessage = () => {
    this.messages = this.messages.slice(0, -1);
  };
  replaceMessage = (index, message) => {
    this.messages = this.messages.with
      ? this.messages.with(index, this.snapshot(message))
      : this.messages.map((each, at) => (at === index ? this.snapshot(message) : each));
  };
  snapshot = (value) => structuredClone(value);
}

class Chat extends AbstractChat {
  constructor(init) {
    super({ ...init, state: new MemoryState() });
  }
}

// Deltas as they pass on the wire: `after` so many, `then` is called, and may fail the body.
function counting(body, after, then) {
  let tail = "";
  let seen = 0;
  const decoder = new TextDecoder();
  return body.pipeThrough(
    new TransformStream({
      transform(piece, controller) {
        controller.enqueue(piece);
        tail += decoder.decode(piece, { stream: true });
        seen += tail.split('"type":"text-delta"').length - 1;
        tail = tail.slice(tail.lastIndexOf("\n") + 1);
        if (seen >= after) then(controller);
      },
    }),
  );
}

async function play({ api, token, chat: id, steps }) {
  const requests = [];
  let watch = undefined;
  const transport = new DefaultChatTransport({
    api,
    headers: { authorization: `Bearer ${token}` },
    fetch: async (url, options) => {
      const response = await fetch(url, options);
      requests.push({
        method: options.method,
        status: response.status,
        protocol: response.headers.get("x-vercel-ai-ui-message-stream"),
      });
      if (watch === undefined || response.body === null) return response;
      const { status, headers } = response;
      return new Response(counting(response.body, ...watch), { status, headers });
    },
  });
  let finished = undefined;
  const open = () =>
    new Chat({
      id,
      transport,
      onError: () => {},
      onFinish: ({ isAbort, isDisconnect, isError, finishReason }) => {
        finished = { isAbort, isDisconnect, isError, finishReason };
      },
    });
  let chat = open();
  const told = [];
  for (const step of steps) {
    finished = undefined;
    watch = undefined;
    if (step.do === "reopen") {
      chat = open();
    } else if (step.do === "resume") {
      await chat.resumeStream();
    } else if (step.do === "regenerate") {
      await chat.regenerate();
    } else if (step.do === "edit") {
      await chat.sendMessage({ text: step.text, messageId: chat.messages[0].id });
    } else {
      if (step.do === "cut") {
        watch = [step.deltas, (controller) => controller.error(new TypeError("network error"))];
      } else if (step.do === "leave") {
        watch = [step.deltas, () => void chat.stop()];
      }
      await chat.sendMessage({ text: step.text }, { body: step.body });
    }
    told.push({
      status: chat.status,
      error: chat.error?.message,
      finished,
      messages: structuredClone(chat.messages),
      requests: requests.splice(0),
    });
  }
  return told;
}

let input = "";
for await (const piece of process.stdin) input += piece;
console.log(JSON.stringify(await play(JSON.parse(input))));
