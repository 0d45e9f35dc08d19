"""What repeats say together of a server: the knee, the highest load, the size, the cost."""
