# The parts of a colour. What is printed is the text for the model, and the structured content for the view.
import json
import sys

colour = json.load(sys.stdin)["arguments"]["colour"]
red, green, blue = (int(colour[at:at + 2], 16) for at in (1, 3, 5))
json.dump({"red": red, "green": green, "blue": blue}, sys.stdout)
