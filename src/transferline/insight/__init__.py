"""What a candidate's predictions and features show about the images of a dataset, such as wrong labels."""
