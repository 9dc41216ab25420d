"""What tests share: real servers, fresh databases, published vectors."""
