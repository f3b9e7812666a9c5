// A chat without a page: the SDK's own, with a transport of which nothing but `api` and
// `headers` is set (and `body`, where a test is about it). Takes the steps, and says
// after each what a page would show.
import {
  AbstractChat,
  DefaultChatTransport,
  lastAssistantMessageIsCompleteWithToolCalls,
} from "ai";

// As the SDK's own bindings keep their state.
class State {
  status = "ready";
  error = undefined;

  constructor(messages) {
    this.messages = messages;
  }
  pushMessage = (message) => {
    this.messages = this.messages.concat(message);
  };
  popMessage = () => {
    this.messages = this.messages.slice(0, -1);
  };
  replaceMessage = (index, message) => {
    this.messages = this.messages.with(index, structuredClone(message));
  };
  snapshot = (thing) => structuredClone(thing);
}

class Chat extends AbstractChat {
  constructor({ messages = [], ...init }) {
    super({ ...init, state: new State(messages) });
  }
}

const { api, headers, body, id, messages, tools, automatic, steps } =
  JSON.parse(process.argv[1]);
const isDue = () =>
  automatic &&
  lastAssistantMessageIsCompleteWithToolCalls({ messages: chat.messages });

const chat = new Chat({
  id,
  messages,
  transport: new DefaultChatTransport({ api, headers, ...(body && { body }) }),
  onToolCall({ toolCall }) {
    if (tools && toolCall.toolName in tools) {
      chat.addToolOutput({
        tool: toolCall.toolName,
        toolCallId: toolCall.toolCallId,
        ...tools[toolCall.toolName],
      });
    }
  },
  ...(automatic && {
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithToolCalls,
  }),
});

const shown = [];
for (const step of steps) {
  if (step.say) await chat.sendMessage({ text: step.say });
  if (step.regenerate) await chat.regenerate(step.regenerate);
  do {
    await new Promise((resolve) => setTimeout(resolve, 10));
  } while (["submitted", "streaming"].includes(chat.status) || isDue());
  const { status, error, messages } = chat;
  shown.push(structuredClone({ status, error: error?.message ?? null, messages }));
}
console.log(JSON.stringify({ id: chat.id, shown }));
process.exit(0);
