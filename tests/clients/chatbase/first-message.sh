curl -X POST 'https://www.chatbase.co/api/v1/chat' \
  -H 'Authorization: Bearer YOUR_API_KEY' \
  -H 'Content-Type: application/json' \
  -d '{
    "messages": [{"content": "Hello! How can you help me?", "role": "user"}],
    "chatbotId": "your-chatbot-id-here"
  }'
