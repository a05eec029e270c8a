"""What scores are made of, and what they are worth: graders of texts, agreement, learnability."""
